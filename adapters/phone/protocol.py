"""What a phone says, taken apart: JSON of a few kilobytes, every field bounded. Sans-IO.

A report's announcement (PUT /phone/reports/{id}):

    {"kind": "photo", "taken_at": 1760000000.0, "sent_at": 1760000005.0, "text": "", "media_type": "image/jpeg",
     "size": 123456, "sha256": "…", "where": {"longitude": …, "latitude": …, "accuracy_m": 12, "taken_at": …}}

Phones' clocks are often wrong, their differences are right: `sent_at` is what the phone's clock said when it sent
this, and a clock that differs from ours by more than SKEW_S is corrected by the difference.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from gateway.base.errors import RemoteProtocolError
from gateway.model.informant import Draft, ReportKind, Where

MAX_BODY = 16 * 1024
MAX_TEXT = 4000
SKEW_S = 90.0
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"(image|audio)/[a-z0-9.+-]{1,40}")
_WITH_FILE = (ReportKind.PHOTO, ReportKind.VOICE)


def _wrong(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, code="bad-request")


def read_json(body: bytes) -> dict[str, Any]:
    """An object. Raises RemoteProtocolError (`bad-request`)."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise _wrong("the body is no JSON") from None
    if not isinstance(told, dict):
        raise _wrong("the body is no JSON object")
    return told


def read_name(body: bytes) -> str:
    """What the phone's owner calls themselves; "" when nothing."""
    return _text(read_json(body), "name", 64) if body else ""


def read_draft(id_: str, body: bytes, now: float) -> Draft:
    """The announcement of report `id_`; `now` in unix seconds. Raises RemoteProtocolError (`bad-request`)."""
    if not _ID.fullmatch(id_):
        raise _wrong("the report's id is no ULID")
    told = read_json(body)
    try:
        kind = ReportKind(_text(told, "kind", 16))
    except ValueError:
        raise _wrong("kind: photo, voice, text or position") from None
    sent_at = _number(told, "sent_at", 0.0, 1e11)
    skew = now - sent_at if abs(now - sent_at) > SKEW_S else 0.0
    taken_at = _number(told, "taken_at", 0.0, 1e11) + skew
    text = _text(told, "text", MAX_TEXT)
    where = _where(told.get("where"), skew)
    size = int(_number(told, "size", 0, 2**40)) if kind in _WITH_FILE else 0
    media_type = sha256 = ""
    if kind in _WITH_FILE:
        media_type = _text(told, "media_type", 60).partition(";")[0].strip().lower()
        sha256 = _text(told, "sha256", 64)
        if size <= 0 or not _MEDIA_TYPE.fullmatch(media_type) or not _SHA256.fullmatch(sha256):
            raise _wrong(f"a {kind} has size, media_type (image/… or audio/…) and sha256")
    elif kind is ReportKind.TEXT and not text.strip():
        raise _wrong("a text has words")
    elif kind is ReportKind.POSITION and where is None:
        raise _wrong("a position has where")
    return Draft(id_, kind, taken_at, text, media_type, size, sha256, where)


def read_offset(header: str) -> int:
    """`Upload-Offset`. Raises RemoteProtocolError (`bad-request`)."""
    if not header.isascii() or not header.isdecimal() or len(header) > 12:
        raise _wrong("Upload-Offset: where in the file the bytes belong")
    return int(header)


def _text(told: dict[str, Any], key: str, most: int) -> str:
    value = told.get(key, "")
    if not isinstance(value, str) or len(value) > most:
        raise _wrong(f"{key}: text of at most {most} characters")
    # Lone surrogates are no text that could be stored or shown; of control characters only line ends are kept.
    clean = value.encode("utf-8", "replace").decode()
    return "".join(c for c in clean if c == "\n" or c.isprintable())


def _number(told: dict[str, Any], key: str, least: float, most: float) -> float:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(f"{key}: a number")
    if not (least <= value <= most):  # also false for NaN
        raise _wrong(f"{key}: between {least:g} and {most:g}")
    return float(value)


def _where(told: Any, skew: float) -> Where | None:
    if told is None:
        return None
    if not isinstance(told, dict):
        raise _wrong("where: an object")
    accuracy = told.get("accuracy_m")
    # Compared, not asked whether it is finite: an integer of four hundred digits fits no float.
    known = isinstance(accuracy, int | float) and not isinstance(accuracy, bool) and abs(accuracy) < math.inf
    return Where(
        longitude=_number(told, "longitude", -180.0, 180.0),
        latitude=_number(told, "latitude", -90.0, 90.0),
        accuracy_m=_number(told, "accuracy_m", 0.0, 4.1e7) if known else None,
        taken_at=_number(told, "taken_at", 0.0, 1e11) + skew,
    )
