"""What a ball says on its terminal: a few plain lines, or JSON lines for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime

Report = Callable[..., None]
"""`report(event, ball_id, words, **data)`."""


def plain(event: str, ball: str, words: str, **data: object) -> None:
    print(f"{datetime.now():%H:%M:%S} {ball} {words or event}", flush=True)


def json_line(event: str, ball: str, words: str, **data: object) -> None:
    moment = datetime.now().astimezone().isoformat(timespec="milliseconds")
    line = {"time": moment, "ball": ball, "event": event, "words": words, **data}
    print(json.dumps(line, ensure_ascii=False), file=sys.stdout, flush=True)


def silent(event: str, ball: str, words: str, **data: object) -> None:
    """Nothing, for fleets of hundreds."""
