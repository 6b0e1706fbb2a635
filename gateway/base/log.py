"""Logging set up once, and the two things everybody uses of it: `session_log` and `Secret`.

Lines are text on a terminal and under systemd, JSON where `log.format = "json"`. A session's adapter puts who it
speaks for (adapter, device, call) in front of every line and, in JSON, into fields of their own.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import sys
import time
from collections.abc import MutableMapping
from typing import IO, Any, Literal

Fields = dict[str, str]

QUEUE_LINES = 4096
"""Lines waiting for a slow terminal or journal; more are dropped, so that logging never holds the loop."""


class Secret:
    """Text that never prints: `reveal()` is the only way to read it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")


class SessionLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that carries who it speaks for."""

    def __init__(self, logger: logging.Logger, fields: Fields) -> None:
        super().__init__(logger, fields)
        # The prefix becomes part of the format string.
        self._prefix = " ".join(value.replace("%", "?") for value in fields.values() if value)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {"fields": self.extra}
        return (f"{self._prefix}: {msg}" if self._prefix else msg), kwargs


def session_log(logger: logging.Logger, **fields: str) -> SessionLog:
    """`session_log(log, adapter="gb28181", device="kit1/ball-1", call="…")`. Values are plain words, no secrets."""
    return SessionLog(logger, fields)


def _one_line(text: str) -> str:
    """Text from outside may hold line ends and control characters that would forge lines or move a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class _Text(logging.Formatter):
    default_time_format = "%Y-%m-%d %H:%M:%S"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self.converter = time.localtime

    def format(self, record: logging.LogRecord) -> str:
        head, *rest = super().format(record).split("\n") if record.exc_info else (super().format(record),)
        return "\n".join([_one_line(head), *rest])


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "part": record.name,
            "text": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Queue(logging.handlers.QueueHandler):
    """Hands formatted lines to the thread that writes them; a full queue drops the line and counts it."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg = self.format(record)
        record.args = record.exc_info = record.exc_text = record.stack_info = None
        return record


class _Raw(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg)


class LogSetup:
    """The root logger's one handler, and the thread behind it. `stop()` writes what waits."""

    def __init__(self, level: str, form: Literal["text", "json"], stream: IO[str] | None = None) -> None:
        self._handler = _Queue(queue.Queue(QUEUE_LINES))
        sink = logging.StreamHandler(stream or sys.stderr)
        sink.setFormatter(_Raw())
        self._listener = logging.handlers.QueueListener(self._handler.queue, sink)
        self._root = logging.getLogger()
        self.change(level, form)
        self._root.addHandler(self._handler)
        self._listener.start()

    def change(self, level: str, form: Literal["text", "json"]) -> None:
        """Take another level or form at once (reload)."""
        self._root.setLevel(level.upper())
        self._handler.setFormatter(_Json() if form == "json" else _Text())
        # Libraries that log every packet or frame at INFO.
        for chatty in ("aioice", "aiortc", "uvicorn.access", "asyncio"):
            logging.getLogger(chatty).setLevel(max(logging.WARNING, self._root.level))

    @property
    def dropped(self) -> int:
        return self._handler.dropped

    def stop(self) -> None:
        self._root.removeHandler(self._handler)
        self._listener.stop()
