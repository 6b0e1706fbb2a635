"""Invitations, phones and their reports, on a store and files on a real disk."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.base.errors import Busy, Denied, GatewayError, NotFound, RemoteProtocolError, Unsupported
from gateway.config.root import Config, Reports
from gateway.contract.media import Publication
from gateway.contract.source import PushInfo
from gateway.core import informants as informants_of_core
from gateway.core import report_files
from gateway.core.facts import BusEvent
from gateway.core.informants import HOURLY
from gateway.core.rights import may_publish
from gateway.core.ulid import ulid
from gateway.model.device import DeviceState
from gateway.model.informant import Draft, Invitation, ReportKind, Where
from gateway.model.media import StreamState
from gateway.model.principal import SYSTEM, Principal, Role
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import ADMIN, OPERATOR, VIEWER, House, a_house, housed

PHOTO = os.urandom(50_000)
KEY = "k" * 22


def draft(data: bytes = PHOTO, kind: ReportKind = ReportKind.PHOTO, **changes: object) -> Draft:
    made = Draft(
        ulid(1_790_000_000), kind, 1_790_000_000.0, "", "image/jpeg", len(data), hashlib.sha256(data).hexdigest()
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def invited(house: House, **more: object) -> tuple[Invitation, str]:
    house.core.informants.serve()
    return await house.core.informants.invitations.invite(OPERATOR, label="Wang", place="North dam", **more)  # type: ignore[arg-type]


async def a_phone(house: House, key: str = KEY) -> Principal:
    _, secret = await invited(house)
    bearer = f"{secret}.{key}"
    await house.core.informants.join(bearer, "", "10.0.0.9")
    who = house.core.accounts.verify(bearer, "10.0.0.9")
    assert who is not None
    return who


@housed
async def test_a_phone_joins_by_its_link_and_is_a_device(house: House) -> None:
    informants = house.core.informants
    made, secret = await invited(house, phones=1)
    assert house.core.accounts.verify(f"{secret}.{KEY}") is None, "it has not joined yet"
    phone = await informants.join(f"{secret}.{KEY}", "", "10.0.0.9")
    assert (phone.name, phone.place) == ("Wang", "North dam")
    who = house.core.accounts.verify(f"{secret}.{KEY}", "10.0.0.9")
    assert who is not None and who.role is Role.INFORMANT and who.scope == phone.device
    assert may_publish(who, f"{phone.device}/ch1") and not may_publish(who, "kit1/ball-1/ch1")
    device = house.core.directory.device(SYSTEM, phone.device)
    assert device.state is DeviceState.ONLINE and [c.key for c in device.channels] == ["ch1"]
    # A name that can not be taken takes no place.
    _, other = await invited(house, phones=1)
    with pytest.raises(GatewayError) as wrong:
        await informants.join(f"{other}.{'y' * 22}", "Wang\nLi", "10.0.0.9")
    assert wrong.value.code == "bad-request"
    assert (await informants.join(f"{other}.{'y' * 22}", "Wang", "10.0.0.9")).name == "Wang"
    # The same phone again, at any time; another one finds the place taken.
    assert (await informants.join(f"{secret}.{KEY}", "Old Wang", "10.0.0.9")).device == phone.device
    with pytest.raises(Denied) as refused:
        await informants.join(f"{secret}.{'x' * 22}", "", "10.0.0.10")
    assert refused.value.code == "invitation-used-up"
    (shown,) = [one for one in informants.invitations.invitations(OPERATOR) if one.id == made.id]
    assert shown.phones == 1
    await advance(120)
    assert house.core.directory.device(SYSTEM, phone.device).code == "phone-away"


@housed
async def test_who_may_invite(house: House) -> None:
    invitations = house.core.informants.invitations
    with pytest.raises(Unsupported) as off:
        await invitations.invite(OPERATOR, label="x")
    assert off.value.code == "phones-off"
    house.core.informants.serve()
    for who in (VIEWER, replace(OPERATOR, scope="kit1/ball-1")):
        with pytest.raises(Denied):
            await invitations.invite(who, label="x")
    with pytest.raises(GatewayError):
        await invitations.invite(OPERATOR, label="x", ttl_s=1e9)


@housed
async def test_an_invitation_ends(house: House) -> None:
    informants = house.core.informants
    _, secret = await invited(house, ttl_s=600.0)
    phone = await informants.join(f"{secret}.{KEY}", "", "10.0.0.9")
    await advance(601)
    assert house.core.accounts.verify(f"{secret}.{KEY}") is None
    with pytest.raises(Denied) as ended:
        await informants.join(f"{secret}.{KEY}", "", "10.0.0.9")
    assert ended.value.code == "invitation-ended"
    # A new link on the same phone: it is the device it was.
    again, secret = await invited(house)
    assert (await informants.join(f"{secret}.{KEY}", "", "10.0.0.9")).device == phone.device
    await informants.invitations.revoke(OPERATOR, again.id)
    assert house.core.accounts.verify(f"{secret}.{KEY}") is None
    with pytest.raises(NotFound):
        await informants.invitations.revoke(OPERATOR, "no-such")


@housed
async def test_a_phones_picture_and_its_end(house: House) -> None:
    """It publishes under its own name alone; viewers stay when it goes; a revoked invitation ends it."""
    points, (made, secret) = house.core.push_points, await invited(house)
    await house.core.informants.join(f"{secret}.{KEY}", "", "10.0.0.9")
    who = house.core.accounts.verify(f"{secret}.{KEY}", "10.0.0.9")
    other = await a_phone(house, "o" * 22)
    assert who is not None
    stream = points.resolve(f"{who.scope}/ch1", who)
    for somebody, name in ((other, stream), (who, "drone/main"), (OPERATOR, stream)):
        with pytest.raises(Denied):
            points.resolve(name, somebody)
    ends = asyncio.Event()

    async def picture(_publication: Publication) -> None:
        await ends.wait()

    first = asyncio.ensure_future(points.publish(stream, who, PushInfo("whip", "10.0.0.9"), picture))
    await advance(1)
    async with house.core.streams.view(stream, VIEWER, "whep") as viewing:
        ends.set()
        await advance(1)
        assert first.done() and viewing.status.code == "publisher-gone"
        ends.clear()
        second = asyncio.ensure_future(points.publish(stream, who, PushInfo("whip", "10.0.0.9"), picture))
        await advance(1)
        assert viewing.status.state is StreamState.OPENING
        await house.core.informants.invitations.revoke(OPERATOR, made.id)
        await advance(1)
        with pytest.raises(Denied) as revoked:
            await second
        assert revoked.value.code == "push-revoked" and not house.core.streams.has(stream)


@housed
async def test_guesses_are_counted(house: House) -> None:
    for _ in range(house.config.accounts.lock_after):
        with pytest.raises(Denied) as unknown:
            await house.core.informants.join(f"fgi_{'a' * 26}.{KEY}", "", "10.6.6.6")
        assert unknown.value.code == "invitation-unknown"
    with pytest.raises(Denied) as locked:
        await house.core.informants.join(f"fgi_{'a' * 26}.{KEY}", "", "10.6.6.6")
    assert locked.value.code == "locked-out"


@housed
async def test_a_photo_arrives_in_pieces_and_once(house: House) -> None:
    informants, who = house.core.informants, await a_phone(house)
    where = Where(116.4, 39.9, 12.0, 1_790_000_000.0)
    one = draft(where=where)
    async with house.core.bus.subscribe(SYSTEM, types=["report", "position"]) as events:
        assert (await informants.begin(who, one)).received == 0
        assert (await informants.append(who, one.id, 0, PHOTO[:20_000])).received == 20_000
        # The answer was lost and the phone sends again; then it sends from where it should not.
        assert (await informants.append(who, one.id, 0, PHOTO[:20_000])).received == 20_000
        assert (await informants.append(who, one.id, 30_000, PHOTO[30_000:])).received == 20_000
        assert (await informants.begin(who, one)).received == 20_000
        done = await informants.append(who, one.id, 20_000, PHOTO[20_000:])
        assert done.complete and done.received == len(PHOTO)
        assert (await informants.append(who, one.id, 0, PHOTO)).complete
        assert (await informants.begin(who, one)).complete
        told = []
        async for event in events:
            assert isinstance(event, BusEvent)
            told.append(event.type)
            if event.type == "report" and event.data.complete_at:
                break
    assert told == ["position", "report", "report"]
    (report,) = await informants.recent(VIEWER)
    assert (report.who, report.place, report.where) == ("Wang", "North dam", where)
    found, path = await informants.file(VIEWER, report.id)
    assert found == report and path.read_bytes() == PHOTO
    (position,) = house.core.positions.latest(VIEWER)
    assert (position.device, position.longitude) == (who.scope, 116.4)


@housed
async def test_what_is_damaged_begins_anew(house: House) -> None:
    informants, who = house.core.informants, await a_phone(house)
    one = draft()
    await informants.begin(who, one)
    with pytest.raises(RemoteProtocolError) as damaged:
        await informants.append(who, one.id, 0, PHOTO[:-1] + b"\0" if PHOTO[-1] else PHOTO[:-1] + b"\1")
    assert damaged.value.code == "report-damaged"
    assert (await informants.progress(who, one.id)).received == 0
    assert (await informants.append(who, one.id, 0, PHOTO)).complete


@housed
async def test_a_report_is_its_own_phones(house: House) -> None:
    informants, who = house.core.informants, await a_phone(house)
    other = await a_phone(house, "o" * 22)
    one = draft()
    await informants.begin(who, one)
    with pytest.raises(Denied) as taken:
        await informants.begin(other, one)
    assert taken.value.code == "report-taken"
    with pytest.raises(NotFound):
        await informants.append(other, one.id, 0, PHOTO)
    with pytest.raises(GatewayError):
        await informants.append(who, one.id, 0, PHOTO + b"more")
    assert [r.device for r in await informants.recent(replace(VIEWER, scope=other.scope))] == []


def test_the_quota(tmp_path: Path) -> None:
    @by_hand
    async def runs() -> None:
        config = replace(Config(), reports=Reports(quota=130_000, largest=60_000))
        async with a_house(tmp_path, config) as house:
            informants, who = house.core.informants, await a_phone(house)
            small = os.urandom(30_000)
            await informants.begin(who, draft(small))
            with pytest.raises(Busy) as full:  # its own share is a quarter
                await informants.begin(who, draft(small))
            assert full.value.code == "reports-full"
            for number in range(3):
                await informants.begin(await a_phone(house, f"{number}" * 22), draft(small))
            with pytest.raises(Busy) as full:
                await informants.begin(await a_phone(house, "x" * 22), draft(small))
            assert full.value.code == "reports-full"
            with pytest.raises(GatewayError) as large:
                await informants.begin(who, draft(size=60_001))
            assert large.value.code == "too-large"
            # Words and positions need no room.
            assert (await informants.begin(who, draft(b"", ReportKind.TEXT, text="dam breaks"))).complete

    runs()


@housed
async def test_an_hour_takes_so_many_reports_of_a_phone(house: House) -> None:
    informants, who = house.core.informants, await a_phone(house)
    words = [draft(b"", ReportKind.TEXT, id=ulid(1_790_000_000), text="dam breaks") for _ in range(HOURLY + 1)]
    for one in words[:-1]:
        assert (await informants.begin(who, one)).complete
    with pytest.raises(Busy) as many:
        await informants.begin(who, words[-1])
    assert many.value.code == "report-rate"
    assert (await informants.begin(who, words[0])).complete, "one that is known is asked for as often as one likes"
    assert not (await informants.begin(who, draft())).complete, "photos have a room of their own"
    assert (await informants.begin(await a_phone(house, "x" * 22), draft(b"", ReportKind.TEXT, text="help"))).complete
    await advance(3601)
    assert (await informants.begin(who, words[-1])).complete


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @by_hand
    async def runs() -> None:
        async with a_house(tmp_path) as house:
            informants, who = house.core.informants, await a_phone(house)
            one = draft()
            await informants.begin(who, one)
            await informants.append(who, one.id, 0, PHOTO[:10_000])

            def full(fd: int) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", full)
                with pytest.raises(GatewayError) as told:
                    await informants.append(who, one.id, 10_000, PHOTO[10_000:20_000])
                assert told.value.code == "disk-full"
            at = (await informants.progress(who, one.id)).received
            assert (await informants.append(who, one.id, at, PHOTO[at:])).complete

    runs()


def test_over_a_restart(tmp_path: Path) -> None:
    """The daemon ends in the middle of a file, and another time between the file's name and its row."""

    @by_hand
    async def runs() -> None:
        one, two = draft(), draft()
        async with a_house(tmp_path) as house:
            _, secret = await invited(house)
            bearer = f"{secret}.{KEY}"
            await house.core.informants.join(bearer, "Old Wang", "10.0.0.9")
            who = house.core.accounts.verify(bearer)
            assert who is not None
            for each in (one, two):
                await house.core.informants.begin(who, each)
            await house.core.informants.append(who, one.id, 0, PHOTO[:10_000])
            files = report_files.ReportFiles(tmp_path / "reports")
            files.append(two.id, 0, PHOTO)
            files.finish(two.id, len(PHOTO), two.sha256)
        async with a_house(tmp_path) as house:
            who = house.core.accounts.verify(bearer)
            assert who is not None
            assert (await house.core.informants.progress(who, one.id)).received == 10_000
            assert (await house.core.informants.append(who, one.id, 10_000, PHOTO[10_000:])).complete
            assert (await house.core.informants.begin(who, two)).complete
            assert {r.id for r in await house.core.informants.recent(VIEWER) if r.complete_at} == {one.id, two.id}
            assert house.core.informants.phone(who).name == "Old Wang"

    runs()


@housed
async def test_seen_and_deleted(house: House) -> None:
    informants, who = house.core.informants, await a_phone(house)
    one = draft()
    await informants.begin(who, one)
    await informants.append(who, one.id, 0, PHOTO)
    with pytest.raises(Denied):
        await informants.mark_seen(VIEWER, one.id)
    assert (await informants.mark_seen(OPERATOR, one.id)).seen_by == OPERATOR.name
    with pytest.raises(Denied):
        await informants.remove(OPERATOR, one.id)
    await informants.remove(ADMIN, one.id)
    assert await informants.recent(VIEWER) == [] and not (house.state_dir / "reports" / f"{one.id}.bin").exists()
    # Old ones go by themselves.
    await informants.begin(who, draft(b"", ReportKind.TEXT, text="hello"))
    assert await informants.recent(VIEWER, positions=False) != []
    await informants.prune(house.clock.wall() + house.config.reports.keep + 1)
    assert await informants.recent(VIEWER) == []


@housed
async def test_what_was_never_finished_is_forgotten(house: House) -> None:
    """And begins anew when its phone comes back after all."""
    informants, who = house.core.informants, await a_phone(house)
    one = draft()
    await informants.begin(who, one)
    await informants.append(who, one.id, 0, PHOTO[:10_000])
    await informants.prune(house.clock.wall() + 8 * 86400)
    assert await informants.recent(VIEWER) == []
    who = await a_phone(house)
    assert (await informants.begin(who, one)).received == 0
    assert (await informants.append(who, one.id, 0, PHOTO)).complete
    there = draft(b"", ReportKind.POSITION, where=Where(1.0, 2.0, None, house.clock.wall()))
    await informants.begin(who, there)
    assert [one.kind for one in await informants.recent(VIEWER, positions=False)] == [ReportKind.PHOTO]


@housed
async def test_a_phone_has_so_many_unfinished_reports(house: House) -> None:
    """One that begins and never sends; others are not held up by it."""
    informants, who = house.core.informants, await a_phone(house)
    first = draft(size=10)
    await informants.begin(who, first)
    for _ in range(informants_of_core.PILE - 1):
        await informants.begin(who, draft(size=10))
    with pytest.raises(Busy) as pile:
        await informants.begin(who, draft(size=10))
    assert pile.value.code == "report-pile"
    assert not (await informants.begin(who, first)).complete, "one that is known may be gone on with"
    assert not (await informants.begin(await a_phone(house, "o" * 22), draft(size=10))).complete
