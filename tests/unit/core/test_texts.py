"""Short messages both ways: none lost, none twice, over restarts and by networks that repeat themselves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.base.errors import Busy, LinkDown, PeerError, RemoteProtocolError, Unsupported
from gateway.base.moment import Moment, TimeQuality
from gateway.config.root import Config
from gateway.config.texts import Texts as TextsConfig
from gateway.contract.texts import Progress, TextSent
from gateway.model.texts import WIDE, Arrived, CarrierKind, TextIn, TextOut, TextPriority, TextState
from tests.fakes.loop import advance, by_hand, settle
from tests.unit.core.house import OPERATOR, House, a_house, housed


class ACarrier:
    """A network in memory that fails as it is told to."""

    def __init__(self) -> None:
        self.gone: list[TextOut] = []
        self.failing: list[Exception] = []

    async def send(self, text: TextOut, progress: Progress) -> TextSent:
        await asyncio.sleep(0)
        if self.failing:
            raise self.failing.pop(0)
        self.gone.append(text)
        return TextSent(1, (f"mr{len(self.gone)}",))


async def until(house: House, done: Callable[[], bool]) -> None:
    """Time goes on no faster than the disk writes."""
    for _ in range(2000):
        for _ in range(3):
            await house.core.store.db.write(lambda conn: None)
            await settle()
        if done():
            return
        await advance(0.5)
    raise AssertionError("it never came")


@housed
async def test_it_goes_by_whoever_is_ready_and_cheapest(house: House) -> None:
    texts = house.core.texts
    dear, cheap = ACarrier(), ACarrier()
    with (
        texts.carrier("sat", CarrierKind.SMS, dear.send, cost=9) as sat,
        texts.carrier("lte", CarrierKind.SMS, cheap.send) as lte,
    ):
        one = await texts.send("+86 138-0000 0000", "救援队已到达")
        assert (one.to, one.state) == ("+8613800000000", TextState.WAITING)
        sat.tell(True)
        await until(house, lambda: bool(dear.gone))
        lte.tell(True)
        await texts.send("13900000000", "two")
        await until(house, lambda: bool(cheap.gone))
        assert len(dear.gone) == 1
        await sat.report("mr1", True)
        found = {text.body: text.state for text in await texts.sent_lately()}
        assert found == {"救援队已到达": TextState.DELIVERED, "two": TextState.SENT}
        states = {state.name: state for state in texts.carriers()}
        assert states["sat"].sent == states["lte"].sent == 1
    assert not texts.carriers()


@housed
async def test_what_an_attempt_comes_to(house: House) -> None:
    texts = house.core.texts
    one, other = ACarrier(), ACarrier()
    with texts.carrier("a", CarrierKind.SMS, one.send) as a:
        a.tell(True)
        one.failing = [LinkDown("lost", code="text-unsure"), LinkDown("hung")]
        await texts.send("10086", "again")
        await until(house, lambda: bool(one.gone))
        (told,) = await texts.sent_lately()
        assert (told.state, told.attempts, told.unsure) == (TextState.SENT, 3, 1)

        one.failing = [PeerError("CMS 21", status=21)]
        with texts.carrier("b", CarrierKind.SMS, other.send, cost=5) as b:
            await texts.send("10086", "refused by one")
            b.tell(True)
            await until(house, lambda: bool(other.gone))
        one.failing = [Unsupported("no", code="text-too-long")]
        last = await texts.send("10086", "refused by all")
        await until(house, lambda: not texts.queue.rows)
        assert (await texts.cancel(last.id)).code == "text-too-long"
        one.failing = [ValueError("a mistake of ours")]
        await texts.send("10086", "survives it")
        await until(house, lambda: one.gone[-1].body == "survives it")


@housed
async def test_one_that_says_ready_and_always_fails_does_not_hold_it(house: House) -> None:
    texts, dear, cheap = house.core.texts, ACarrier(), ACarrier()
    cheap.failing = [LinkDown("CMS 500", code="modem-refused") for _ in range(50)]
    with (
        texts.carrier("sat", CarrierKind.SMS, dear.send, cost=50) as sat,
        texts.carrier("lte", CarrierKind.SMS, cheap.send) as lte,
    ):
        sat.tell(True)
        lte.tell(True)
        await texts.send("10086", "SOS", priority=TextPriority.ALARM)
        await until(house, lambda: bool(dear.gone))
        assert (dear.gone[0].attempts, len(cheap.failing)) == (3, 48)
        cheap.failing.clear()
        await texts.send("10086", "next")
        await until(house, lambda: bool(cheap.gone))


@housed
async def test_reports_of_parts_that_come_before_the_last_part_went(house: House) -> None:
    texts = house.core.texts
    seats = []

    async def send(text: TextOut, progress: Progress) -> TextSent:
        await seats[0].report("1", True)
        await progress(1, 2)
        await seats[0].report("2", True)
        return TextSent(2, ("1", "2"))

    with texts.carrier("a", CarrierKind.SMS, send) as seat:
        seats.append(seat)
        seat.tell(True)
        one = await texts.send("10086", "long")
        await until(house, lambda: not texts.queue.rows)
        await until(house, lambda: not texts._seats["a"]._early)
        assert (await texts.cancel(one.id)).state is TextState.DELIVERED


@housed
async def test_a_newer_one_of_its_name_came_while_it_was_under_way(house: House) -> None:
    texts, gone = house.core.texts, list[str]()

    async def send(text: TextOut, progress: Progress) -> TextSent:
        if text.body == "first":
            await texts.send("10086", "second", replaces="state")
            raise LinkDown("lost", code="text-unsure")
        gone.append(text.body)
        return TextSent()

    with texts.carrier("a", CarrierKind.SMS, send) as seat:
        seat.tell(True)
        first = await texts.send("10086", "first", replaces="state")
        await until(house, lambda: not texts.queue.rows)
        assert gone == ["second"] and (await texts.cancel(first.id)).code == "text-replaced"


@housed
async def test_a_mistake_of_ours_does_not_end_a_carrier(house: House) -> None:
    texts, carrier, told = house.core.texts, ACarrier(), house.core.texts._tell_out
    wrong = [ValueError("a mistake of ours")]

    def tell(text: TextOut) -> None:
        if text.state is TextState.SENT and wrong:
            raise wrong.pop()
        told(text)

    texts._tell_out = tell  # type: ignore[method-assign]
    with texts.carrier("a", CarrierKind.SMS, carrier.send) as seat:
        seat.tell(True)
        for body in ("one", "two"):
            await texts.send("10086", body)
        await until(house, lambda: len(carrier.gone) == 2)


@by_hand
async def test_priority_age_room_and_what_takes_anothers_place(tmp_path: Path) -> None:
    async with a_house(tmp_path, Config(texts=TextsConfig(waiting=10))) as house:
        texts, carrier = house.core.texts, ACarrier()
        with texts.carrier("a", CarrierKind.SMS, carrier.send) as seat:
            await texts.send("10086", "old news", max_age_s=30)
            await texts.send("10086", "first state", replaces="state", priority=TextPriority.TELEMETRY)
            await texts.send("10086", "second state", replaces="state", priority=TextPriority.TELEMETRY)
            await texts.send("10086", "please", priority=TextPriority.PERSON)
            await texts.send("10086", "SOS", priority=TextPriority.ALARM)
            same = await texts.send("10086", "once", id="mine")
            assert await texts.send("10086", "once", id="mine") == same
            house.jumps.append(-365 * 86400.0)  # the wall clock: age goes by the other one
            await advance(60)
            await until(house, lambda: len(texts.queue.rows) == 4)
            seat.tell(True)
            await until(house, lambda: len(carrier.gone) == 4)
            assert [text.body for text in carrier.gone] == ["SOS", "second state", "please", "once"]
            codes = {text.body: text.code for text in await texts.sent_lately() if text.code}
            assert codes == {"old news": "text-expired", "first state": "text-replaced"}
            seat.tell(False, "link-down", again_in_s=60)
            for number in range(house.config.texts.waiting):
                await texts.send("10086", str(number), priority=TextPriority.BULK)
            with pytest.raises(Busy, match="wait already"):
                await texts.send("10086", "bulk", priority=TextPriority.BULK)
            # Asked for again because the answer was lost: it is there, and nobody gives way.
            assert (await texts.send("10086", "once", id="mine")).id == "mine"
            assert (await texts.send("10086", "matters")).state is TextState.WAITING
            assert len(texts.queue.rows) == house.config.texts.waiting
            assert (await texts.sent_lately(limit=1000))[-1]
        for bad in ("", "x" * 1601):
            with pytest.raises(RemoteProtocolError):
                await texts.send("10086", bad)
        with pytest.raises(RemoteProtocolError, match="no number"):
            await texts.send("call me", "x")


def test_what_waits_survives_and_what_was_under_way_is_sent_again(tmp_path: Path) -> None:
    hung = asyncio.Event()

    async def never(text: TextOut, progress: Progress) -> TextSent:
        await progress(1, 3)
        hung.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    @by_hand
    async def before() -> None:
        async with a_house(tmp_path) as house:
            with house.core.texts.carrier("a", CarrierKind.SMS, never) as seat:
                await house.core.texts.send("10086", "long one")
                await house.core.texts.send("10086", "waits")
                seat.tell(True)
                while not hung.is_set():
                    await advance(0.1)
                await settle()

    @by_hand
    async def after() -> None:
        async with a_house(tmp_path) as house:
            carrier = ACarrier()
            with house.core.texts.carrier("a", CarrierKind.SMS, carrier.send) as seat:
                seat.tell(True)
                await until(house, lambda: len(carrier.gone) == 2)
            first = carrier.gone[0]
            assert (first.body, first.parts_done, first.unsure, first.reference) == ("long one", 1, 1, 1)

    before()
    after()


@pytest.mark.parametrize(("set_then", "left"), [(False, 1), (True, 0)])
def test_one_that_was_put_before_the_clock_was_set_is_not_too_old(tmp_path: Path, set_then: bool, left: int) -> None:
    """The kit's clock has no battery: it lost power, and then learned that it is another year."""

    def moments(house: House, boot: str, quality: TimeQuality) -> None:
        wall = house.clock.wall
        house.core.texts._moments.now = lambda: Moment(boot, 5.0, wall(), quality)  # type: ignore[method-assign]

    @by_hand
    async def before() -> None:
        async with a_house(tmp_path) as house:
            moments(house, "one", TimeQuality.NTP if set_then else TimeQuality.UNSYNCED)
            await house.core.texts.send("10086", "need water")

    @by_hand
    async def after() -> None:
        async with a_house(tmp_path) as house:
            house.jumps.append(200 * 86400.0)
            moments(house, "two", TimeQuality.NTP)
            house.core.texts.queue.rows.clear()
            house.core.texts._load()
            await advance(1)
            await house.core.texts.look()
            assert len(house.core.texts.queue.rows) == left

    before()
    after()


def parts_of(number: int, rng: random.Random) -> list[Arrived]:
    body = f"{number}: " + (
        "现场需要药品和饮用水。" * rng.randint(1, 18) if number % 2 else "all well " * rng.randint(1, 60)
    )
    cut = 67 if number % 2 else 153
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    at = 1_790_000_000.0 + number * 3
    return [
        Arrived(
            "+8613800000000", piece, f"{at + n:.0f}", number % 256 if len(pieces) > 1 else 0, n + 1, len(pieces), at + n
        )
        for n, piece in enumerate(pieces)
    ]


@housed
async def test_a_thousand_messages_long_chinese_twice_and_out_of_order(house: House) -> None:
    rng = random.Random(6)
    made = [parts_of(number, rng) for number in range(1000)]
    on_air = [part for parts in made for part in parts]
    on_air += rng.sample(on_air, len(on_air) // 4)  # the network delivers a quarter of them twice
    rng.shuffle(on_air)
    kept: list[TextIn] = []
    house.core.texts.on_kept(kept.append)
    carriers = [house.core.texts.carrier(name, CarrierKind.SMS, ACarrier().send) for name in ("a", "b")]
    with carriers[0] as a, carriers[1] as b:
        for at in range(0, len(on_air), 200):
            await asyncio.gather(*((a, b)[n % 2].take(part) for n, part in enumerate(on_air[at : at + 200])))
    assert sorted(text.body for text in kept) == sorted("".join(part.body for part in parts) for parts in made)
    assert not any(text.missing for text in kept)


@housed
async def test_a_part_that_never_came_and_one_that_came_late(house: House) -> None:
    texts, kept = house.core.texts, list[TextIn]()
    texts.on_kept(kept.append)
    with texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:
        await seat.take(Arrived("10086", "begin ", "1", 7, 1, 3, 1000.0))
        await seat.take(Arrived("10086", "end", "3", 7, 3, 3, 1001.0))
        # Sent hours after the others, and by a sender that did not hear its first attempt's answer.
        await seat.take(Arrived("10010", "one ", "5", 9, 1, 2, 1000.0))
        assert not await seat.take(Arrived("10010", "one ", "6", 9, 1, 2, 1060.0))
        await seat.take(Arrived("10010", "two", "7", 9, 2, 2, 9000.0))
        assert not kept
        house.jumps.append(house.config.texts.parts_wait + 20)
        await texts.look()
        assert {(text.body, text.missing) for text in kept} == {("begin […]end", 1), ("one two", 0)}
        with pytest.raises(RemoteProtocolError):
            await seat.take(Arrived("10086", "x", "1", 7, 4, 3))
        # Joined by a program of the carrier's: as long as a network has room for.
        assert await seat.take(Arrived("10010", "长" * 17_000, "8"))
        # No mark: nobody can tell whether it is the same again.
        assert [await seat.take(Arrived("1", "ok")) for _ in range(2)] == [True, True]
        seen = await texts.seen(kept[0].id, OPERATOR.name)
        assert seen.seen_by == OPERATOR.name


@housed
async def test_one_that_its_sender_tries_again_is_there_once(house: House) -> None:
    """The network dates each attempt anew: only the sender's word tells that it is the same."""
    with house.core.texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:

        async def new(body: str, at: float, again_s: float = 0.0) -> bool:
            return await seat.take(Arrived("+8613800000000", body, f"{at:.0f}", sent_at=at, again_s=again_s))

        assert await new("ok", 1000.0)  # said this morning: another matter
        assert await new("ok", 30_000.0)
        assert not await new("ok", 30_130.0, 125.0)
        assert not await new("ok", 30_400.0, 395.0)
        assert await new("ok", 31_000.0)  # a person says it again
        assert await new("late", 40_200.0, 180.0)  # the first attempt is still on its way
        assert not await new("late", 40_020.0)
        assert await new("late", 40_300.0)
        assert await new("never came", 50_000.0, 3600.0)
        assert await new("ok", 60_000.0, 60.0)


@housed
async def test_a_number_of_parts_that_lies_and_a_clock_that_was_set_back(house: House) -> None:
    texts, kept = house.core.texts, list[TextIn]()
    texts.on_kept(kept.append)
    with texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:
        await seat.take(Arrived("10086", "head", "1", 7, 1, 255, 1000.0))
        await seat.take(Arrived("10086", "tail", "2", 7, 9, 255, 1000.0))
        house.jumps.append(-365 * 86400.0)
        await texts.look()
        assert [(text.body, text.missing) for text in kept] == [("head[…]tail[…]", 253)]


@by_hand
async def test_who_floods_loses_their_own(tmp_path: Path) -> None:
    async with a_house(tmp_path, Config(texts=TextsConfig(most=100))) as house:
        with house.core.texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:
            await seat.take(Arrived("+8613800000000", "the bridge is gone", "0"))
            for number in range(60):
                await seat.take(Arrived("1069000", f"win {number}", str(number)))
        house.core.texts.prune(house.clock.wall())
        await house.core.store.db.write(lambda conn: None)
        came = await house.core.texts.came_lately(limit=1000)
        assert [text.body for text in came][-1] == "the bridge is gone" and len(came) == 26
        assert came[0].body == "win 59"


@by_hand
async def test_a_name_is_one_carriers(tmp_path: Path) -> None:
    config = Config(texts=TextsConfig(waiting=10))
    async with a_house(tmp_path, config) as house:
        with (
            house.core.texts.carrier("a", CarrierKind.SMS, ACarrier().send),
            pytest.raises(Busy, match="already"),
            house.core.texts.carrier("a", CarrierKind.BEIDOU, ACarrier().send),
        ):
            pass


@housed
async def test_two_long_ones_under_one_number_are_told_and_others_are_not(house: House) -> None:
    """Parts of two messages that went through each other: whose is whose nobody can know, so both say it."""
    texts = house.core.texts

    async def came(sender: str) -> dict[str, str]:
        return {text.body: text.code for text in await texts.came_lately(number=sender)}

    with texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:
        # The second part of the first was lost, and the other's took its place; only its first part tells of that.
        await seat.take(Arrived("10001", "bridge ", "1", 7, 1, 2, 1000.0))
        await seat.take(Arrived("10001", "is whole", "2", 7, 2, 2, 1300.0))
        assert await came("10001") == {"bridge is whole": ""}
        await seat.take(Arrived("10001", "road ", "3", 7, 1, 2, 1299.0))
        assert await came("10001") == {"bridge is whole": "text-mixed"}
        house.jumps.append(house.config.texts.parts_wait + 20)
        await texts.look()
        assert await came("10001") == {"bridge is whole": "text-mixed", "road […]": "text-mixed"}
        # Both open at once.
        for at, (part, body) in enumerate([(1, "a1"), (1, "b1"), (2, "b2"), (2, "a2")]):
            await seat.take(Arrived("10002", body, f"m{at}", 9, part, 2, 2000.0 + at))
        assert set((await came("10002")).values()) == {"text-mixed"} and len(await came("10002")) == 2
        # One after the other, by a sender that does not count; and 8 bits beside the same 16.
        for at, (part, body) in enumerate([(1, "one "), (2, "two"), (1, "three "), (2, "four")]):
            await seat.take(Arrived("10003", body, f"n{at}", 0, part, 2, 3000.0 + 5 * at))
        for at, (reference, part, body) in enumerate(
            [(5, 1, "c1"), (WIDE + 5, 1, "d1"), (WIDE + 5, 2, "d2"), (5, 2, "c2")]
        ):
            await seat.take(Arrived("10004", body, f"o{at}", reference, part, 2, 4000.0 + at))
        assert await came("10003") == {"one two": "", "three four": ""} and await came("10004") == {
            "c1c2": "",
            "d1d2": "",
        }


@housed
async def test_those_with_a_number(house: House) -> None:
    texts = house.core.texts
    with texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:
        for sender in ("+8613800000001", "10086", "100%6"):
            await seat.take(Arrived(sender, f"from {sender}"))
        for to in ("+8613800000001", "13900000002"):
            await texts.send(to, f"to {to}")
        assert [one.to for one in await texts.sent_lately(number="+86 138-0000 0001")] == ["+8613800000001"]
        assert [one.to for one in await texts.sent_lately(number="0000 00")] == ["13900000002", "+8613800000001"]
        assert [one.sender for one in await texts.came_lately(number="100")] == ["100%6", "10086"]
        assert [one.sender for one in await texts.came_lately(number="%")] == ["100%6"], "no pattern"
        assert [one.sender for one in await texts.came_lately(number="138")] == ["+8613800000001"]
        assert not await texts.came_lately(number="555") and len(await texts.came_lately()) == 3


@housed
async def test_the_disk_is_asked_for_parts_only_while_some_wait_for_others(house: House) -> None:
    texts, kept, db = house.core.texts, list[TextIn](), house.core.store.db
    texts.on_kept(kept.append)
    writes, write = list[object](), db.write

    async def counted(job: Any, *, durable: bool = False) -> Any:
        writes.append(job)
        return await write(job, durable=durable)

    db.write = counted  # type: ignore[method-assign]
    await texts.look()
    assert len(writes) == 1, "some may be of the last run"
    for _ in range(3):
        await texts.look()
    assert len(writes) == 1
    with texts.carrier("a", CarrierKind.SMS, ACarrier().send) as seat:
        await seat.take(Arrived("10086", "begin ", "1", 7, 1, 2, 1000.0))
        for _ in range(3):
            await texts.look()
        assert len(writes) == 5 and not kept
        house.jumps.append(house.config.texts.parts_wait + 20)
        await texts.look()
        assert [text.missing for text in kept] == [1]
        await texts.look()
        assert len(writes) == 6, "none waits any more"
        # One that comes while the disk is being asked is not forgotten.
        looking = asyncio.create_task(texts.look())
        await seat.take(Arrived("10086", "x", "3", 8, 1, 2, 1000.0))
        await looking
        house.jumps.append(house.config.texts.parts_wait + 20)
        await texts.look()
        assert len(kept) == 2
