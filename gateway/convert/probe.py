"""What conversion has here: which encoder really works, and which decoders there are. For the doctor."""

from __future__ import annotations

import json
import sys

import av

from gateway.convert import pictures, sound
from gateway.convert.encoders import SOFTWARE, choose, works


def probe(allowed: bool) -> int:
    """One line of JSON: `encoder` ("": none works), `missing` decoders. Tells each hardware encoder before it is tried,
    on stderr: a driver may take the process with it."""
    encoder = choose(allowed, lambda name: print(name, file=sys.stderr, flush=True))
    if encoder == SOFTWARE and not works(SOFTWARE):
        encoder = ""
    wanted = {**pictures.DECODERS, **sound.DECODERS}
    missing = sorted(codec for codec, name in wanted.items() if name not in av.codecs_available)
    print(json.dumps({"encoder": encoder, "missing": missing}), flush=True)
    return 0
