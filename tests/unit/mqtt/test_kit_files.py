"""Files of a kit by a broker: one that is refused, or can not be read, keeps no other back."""

from __future__ import annotations

import hashlib

from gateway.base.errors import GatewayError, NotFound
from gateway.model.forward import ForwardFile
from tests.unit.mqtt.rig import Facts, Side, stage, until

DATA = b"y" * 3000


def a_file(number: int) -> ForwardFile:
    id_ = f"01JABCDEFGHJKMNPQRSTVWXYZ{number}"
    return ForwardFile(id_, f"{number}.jpg", "image/jpeg", len(DATA), hashlib.sha256(DATA).hexdigest())


async def test_a_file_that_is_refused_keeps_no_other_back() -> None:
    async with stage("kit7") as s:
        side = Side()
        files = [a_file(number) for number in range(1, 6)]
        for file in files:
            side.put_file(file, DATA)
        full, large, gone, unreadable, good = (file.id for file in files)
        s.inbox.refuses_files = {full: "inbox-full", large: "too-large"}
        side.unreadable = {gone: NotFound("gone"), unreadable: GatewayError("reading", code="store-fault")}
        s.kit(Facts("kit7"), side)
        await until(lambda: side.done, "the last one gets through")
        assert side.done == [good] and bytes(s.inbox.files[good]) == DATA
        assert side.never == [(large, "too-large"), (gone, "not-found")]
        assert list(side.stored) == [full, unreadable], "a disk that fails for a moment loses nothing"
        assert s.center.connection is not None
