"""Stream keys in RTMP as it passes: commands (AMF 0) in chunks, whose headers stand amid the key every 128 bytes.

A header between chunks of one message is 0xC2 to 0xFF, or 0xC0 and a byte, or 0xC1 and two (RTMP 1.0 §5.3.1.1, type 3).
The chunk size is not followed (a capture may begin anywhere): a byte that begins no UTF-8 sequence is a header.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 8192
_COMMAND = re.compile(
    rb"\x02\x00[\x04-\x0f](?:connect|publish|play|play2|releaseStream|FCPublish|FCUnpublish|FCSubscribe"
    rb"|getStreamLength)\x00"
)
_HEADER = re.compile(rb"\xc0(?=.[\x00-\x7f]|.?\Z)|\xc1(?=..[\x00-\x7f]|.?.?\Z)|[\xc2-\xff](?![\x80-\xbf])", re.S)
# Number of the transaction, null, and then the name that holds the key.
_KEY = re.compile(rb"\x02\x00[\x04-\x0f](?!connect)[A-Za-z0-9]{4,15}\x00.{8}\x05\x02(?P<n>[\x00-\x1f].)", re.S)

Spans = list[tuple[int, int]]


def rtmp_spans(data: bytes, others: Callable[[bytes], Spans]) -> tuple[Spans, int]:
    """Where secrets stand in commands, headers of chunks left out; and how many bytes of the last one are yet to come.
    `others` finds what stands in text, such as the query of a `tcUrl`."""
    found: Spans = []
    left = 0
    end = 0
    for command in _COMMAND.finditer(data):
        if command.start() < end:
            continue
        text, places, cut = _whole(data, command.start())
        end = places[-1] + 1 if places else command.end()
        wanted = others(text)
        for key in _KEY.finditer(text):
            size = int.from_bytes(key.group("n"), "big")
            if size:
                wanted.append((key.end(), min(key.end() + size, len(text))))
                if (missing := key.end() + size - len(text)) > 0 and end + 3 >= len(data):
                    left = missing + cut
        found += [piece for span in wanted for piece in _pieces(places, *span)]
    return found, min(left, LONGEST)


def rest_spans(data: bytes, left: int) -> tuple[Spans, int]:
    """The same for what goes on where the last segment ended with `left` bytes to come."""
    _, places, cut = _whole(data, 0)
    left -= len(places)
    return _pieces(places, 0, len(places) + min(left, 0)), left + cut if left > 0 else 0


def _whole(data: bytes, start: int) -> tuple[bytes, list[int], int]:
    """Without headers, and where each byte stood; and how many bytes of a header at the end are yet to come: they are
    taken for more of the key."""
    stop = min(len(data), start + LONGEST)
    places: list[int] = []
    at = start
    for header in _HEADER.finditer(data, start, stop):
        places.extend(range(at, header.start()))
        at = header.start() + {0xC0: 2, 0xC1: 3}.get(data[header.start()], 1)
    places.extend(range(at, stop))
    return bytes(data[place] for place in places), places, max(0, at - stop)


def _pieces(places: list[int], start: int, end: int) -> Spans:
    """Runs of bytes that stand together."""
    out: Spans = []
    for place in places[start:end]:
        if out and out[-1][1] == place:
            out[-1] = out[-1][0], place + 1
        else:
            out.append((place, place + 1))
    return out
