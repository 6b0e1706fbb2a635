"""What phones announce, read with bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.phone.protocol import MAX_TEXT, read_draft, read_json, read_name, read_offset
from gateway.base.errors import RemoteProtocolError
from gateway.model.informant import ReportKind, Where

ID = "01JABCDEFGHJKMNPQRSTVWXYZ0"
NOW = 1_790_000_000.0
PHOTO: dict[str, Any] = {
    "kind": "photo",
    "taken_at": NOW - 60,
    "sent_at": NOW,
    "media_type": "image/jpeg; q=1",
    "size": 100,
    "sha256": "0" * 64,
    "where": {"longitude": 116.4, "latitude": 39.9, "accuracy_m": 12, "taken_at": NOW - 50},
}


def read(told: dict[str, Any], id_: str = ID) -> Any:
    return read_draft(id_, json.dumps(told).encode(), NOW)


def test_a_photo() -> None:
    draft = read(PHOTO)
    assert (draft.kind, draft.size, draft.media_type) == (ReportKind.PHOTO, 100, "image/jpeg")
    assert draft.taken_at == NOW - 60 and draft.where == Where(116.4, 39.9, 12.0, NOW - 50)


def test_a_phone_whose_clock_is_wrong() -> None:
    """A day behind: the minute between taking and sending is what counts."""
    late = 86400.0
    draft = read(PHOTO | {"taken_at": NOW - 60 - late, "sent_at": NOW - late})
    assert draft.taken_at == NOW - 60
    draft = read(PHOTO | {"sent_at": NOW - 30})  # a long way, not a wrong clock
    assert draft.taken_at == NOW - 60


def test_a_number_that_fits_no_float() -> None:
    where = {"longitude": 1, "latitude": 1, "taken_at": NOW, "accuracy_m": 10**400}
    with pytest.raises(RemoteProtocolError):
        read(PHOTO | {"where": where})


def test_words_and_positions() -> None:
    words = read({"kind": "text", "taken_at": NOW, "sent_at": NOW, "text": "堤坝\x00漏水\n\u202e!"})
    assert words.text == "堤坝漏水\n!" and words.size == 0
    there = {"kind": "position", "taken_at": NOW, "sent_at": NOW, "where": PHOTO["where"] | {"accuracy_m": None}}
    assert read(there).where.accuracy_m is None


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "video"},
        {"kind": 1},
        {"size": 0},
        {"size": -1},
        {"size": True},
        {"size": float("inf")},
        {"size": 1e15},
        {"sha256": "G" * 64},
        {"sha256": "0" * 63},
        {"media_type": "text/html"},
        {"media_type": "image/" + "x" * 60},
        {"taken_at": float("nan")},
        {"taken_at": "yesterday"},
        {"sent_at": None},
        {"text": "x" * (MAX_TEXT + 1)},
        {"where": []},
        {"where": {"longitude": 181, "latitude": 0, "taken_at": NOW}},
        {"where": {"longitude": 1, "latitude": 0}},
    ],
)
def test_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        read(PHOTO | change)


@pytest.mark.parametrize("kind", ["text", "position"])
def test_nothing_in_it(kind: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read({"kind": kind, "taken_at": NOW, "sent_at": NOW, "text": "  "})


@pytest.mark.parametrize("id_", ["", "../../etc/passwd", "01J", ID + "0", ID.lower(), "8" + ID[1:]])
def test_ids(id_: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read(PHOTO, id_)


@pytest.mark.parametrize("header", ["", "-1", "1.5", "²", "1" * 13, "0x10"])
def test_offsets(header: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read_offset(header)
    assert read_offset("000123") == 123


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    for read_one in (read_json, read_name, lambda body: read_draft(ID, body, NOW)):
        try:
            read_one(data)
        except RemoteProtocolError:
            pass


_ANYTHING = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20) | st.just([]) | st.just({})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(PHOTO)), _ANYTHING, max_size=3))
def test_any_json(change: dict[str, Any]) -> None:
    try:
        draft = read(PHOTO | change)
    except RemoteProtocolError:
        return
    draft.text.encode()
