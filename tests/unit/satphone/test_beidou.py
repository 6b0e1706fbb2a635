"""BeiDou terminals: both protocols against a fake that is wrong as real ones are, each failure by its reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.satphone import beidou
from adapters.satphone.beidou import BeidouTerminal, cut
from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol import standing
from adapters.satphone.protocol.beidou import MOST_WAIT_S, Beams, Card, Feedback, Message, dialect, sentence
from adapters.satphone.protocol.standing import Standing
from gateway.base.errors import GatewayError, LinkDown, LocalProtocolError, PeerError, Unsupported
from gateway.model.link import LinkPhase
from tests.fakes.beidou import FakeBeidou
from tests.unit.satphone.rig import Rig, out, progress


@asynccontextmanager
async def a_terminal(fake: FakeBeidou, rig: Rig) -> AsyncIterator[BeidouTerminal]:
    server = await fake.serve()
    port = server.sockets[0].getsockname()[1]
    config = PhoneConfig(port=f"tcp://127.0.0.1:{port}", kind="beidou", protocol=fake.protocol, look_every="1s")  # type: ignore[arg-type]
    terminal = BeidouTerminal("bd1", config, rig.context)
    task = asyncio.create_task(terminal.run())
    try:
        yield terminal
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.close()


@pytest.mark.parametrize("protocol", ["2.1", "4.0", "bd3"])
async def test_both_ways_through_noise_and_cuts(protocol: str) -> None:
    fake, rig = FakeBeidou(protocol, noise=b"\x00$BD\xff", cut=3), Rig()
    async with a_terminal(fake, rig) as terminal:
        await rig.until(lambda: rig.ready)
        facts = rig.told[-1]
        assert (facts.phase, facts.code, facts.signal.bars) == (LinkPhase.REGISTERED, "sat-messages-only", 5)
        assert (await terminal.send(out("bd:0412345", "急需药品 3 箱"), progress)).parts == 1
        assert fake.sent == [("0412345", "急需药品 3 箱".encode("gbk"))]
        fake.bring(412345, "收到，两小时后到")
        await rig.until(lambda: bool(rig.came))
        assert (rig.came[0].sender, rig.came[0].body) == ("bd:0412345", "收到，两小时后到")
        assert terminal._standing.wait_s(asyncio.get_running_loop().time()) > 50


@pytest.mark.parametrize("protocol", ["2.1", "4.0", "bd3"])
async def test_what_was_not_sent_says_why(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, rig = FakeBeidou(protocol, every=1), Rig()
    monkeypatch.setattr(Standing, "interval_s", 0.0)
    async with a_terminal(fake, rig) as terminal:
        await rig.until(lambda: rig.ready)
        fake.refuse = ["limit"]
        with pytest.raises(LinkDown) as refused:
            await terminal.send(out("bd:0412345", "x"), progress)
        assert refused.value.code == "bd-card-limit"
        assert 40 < terminal._standing.wait_s(asyncio.get_running_loop().time()) <= 45
        terminal._standing.wait_until = 0.0
        monkeypatch.setattr(beidou, "ANSWER_S", 0.05)
        fake.lost_answers = 1
        with pytest.raises(LinkDown) as refused:
            await terminal.send(out("bd:0412345", "y"), progress)
        assert refused.value.code == "text-unsure" and len(fake.sent) == 1
        monkeypatch.setattr(beidou, "ANSWER_S", 12.0)
        if protocol == "4.0":
            fake.refuse = ["cipher"]
            with pytest.raises(PeerError):
                await terminal.send(out("bd:0412345", "z"), progress)
        else:
            fake.refuse = ["inhibit"]
            with pytest.raises(LinkDown) as refused:
                await terminal.send(out("bd:0412345", "z"), progress)
            assert refused.value.code == "bd-inhibited"
        assert (await terminal.send(out("bd:0412345", "救" * 60), progress)).parts == 2
        assert b"".join(body for _, body in fake.sent[-2:]).decode("gbk").count("救") == 60


@pytest.mark.parametrize(
    ("fake", "code", "phase"),
    [
        (FakeBeidou(card=0), "bd-no-card", LinkPhase.ABSENT),
        (FakeBeidou(powers=(0, 1, 0, 0, 0, 0, 0, 0, 0, 0)), "bd-no-beam", LinkPhase.SEARCHING),
        (FakeBeidou(deaf=True), "bd-silent", LinkPhase.ABSENT),
    ],
)
async def test_why_it_can_not_send(
    fake: FakeBeidou, code: str, phase: LinkPhase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beidou, "ANSWER_S", 0.05)
    rig = Rig()
    async with a_terminal(fake, rig) as terminal:
        await rig.until(lambda: rig.code == code)
        assert (rig.phase, rig.ready) == (phase, False)
        with pytest.raises(LinkDown) as refused:
            await terminal.send(out("bd:0412345", "x"), progress)
        assert refused.value.code == code


async def test_a_line_that_goes_is_opened_anew() -> None:
    fake, rig = FakeBeidou(), Rig()
    async with a_terminal(fake, rig):
        await rig.until(lambda: rig.ready)
        for writer in list(fake.writers):
            writer.transport.abort()
        await rig.until(lambda: rig.phase is LinkPhase.ABSENT and rig.code == "serial-lost")
        await rig.until(lambda: rig.ready)


@pytest.mark.parametrize("word", ["inhibit", "cipher"])
async def test_a_refusal_that_names_no_time_ends(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, rig = FakeBeidou("4.0" if word == "cipher" else "2.1", refuse=[word]), Rig()
    monkeypatch.setattr(Standing, "interval_s", 0.0)
    monkeypatch.setattr(standing, "INHIBITED_S", 0.3)
    async with a_terminal(fake, rig) as terminal:
        await rig.until(lambda: rig.ready)
        with pytest.raises((LinkDown, PeerError)):
            await terminal.send(out("bd:0412345", "x"), progress)
        await rig.until(lambda: not rig.ready and rig.code == f"bd-{word}".replace("inhibit", "inhibited"))
        await rig.until(lambda: rig.ready)  # otherwise nobody would ever try again


async def test_what_came_waits_for_the_disk_when_the_line_goes() -> None:
    fake, rig = FakeBeidou(), Rig()
    async with a_terminal(fake, rig) as terminal:
        await rig.until(lambda: rig.ready)
        rig.full = GatewayError("full", code="disk-full")
        for body in ("one", "two"):
            fake.bring(412345, body)
        await rig.until(lambda: terminal._inbox.qsize() == 1)
        for writer in list(fake.writers):
            writer.transport.abort()
        await rig.until(lambda: rig.code == "serial-lost")
        rig.full = None
        await rig.until(lambda: [one.body for one in rig.came] == ["one", "two"])


async def test_the_cards_time_counts_on_when_the_line_is_opened_anew() -> None:
    fake, rig = FakeBeidou(), Rig()
    async with a_terminal(fake, rig) as terminal:
        await rig.until(lambda: rig.ready)
        await terminal.send(out("bd:0412345", "x"), progress)
        for writer in list(fake.writers):
            writer.transport.abort()
        await rig.until(lambda: rig.code == "serial-lost")
        await rig.until(lambda: rig.ready)
        assert rig.code == "bd-card-limit" or terminal._standing.why_not(terminal._opened_at) == "bd-card-limit"
        assert terminal._standing.wait_s(asyncio.get_running_loop().time()) > 50


async def test_a_silent_line_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, rig = FakeBeidou(), Rig()
    for place in (beidou, standing):
        monkeypatch.setattr(place, "SILENT_S", 0.5)
    async with a_terminal(fake, rig):
        await rig.until(lambda: rig.ready)
        fake.deaf, first = True, set(fake.writers)
        await rig.until(lambda: rig.code == "bd-silent" and not first & fake.writers)
        fake.deaf = False
        await rig.until(lambda: rig.ready)


@pytest.mark.parametrize("protocol", ["2.1", "4.0", "bd3"])
async def test_a_long_one_is_whole_at_the_other_side(protocol: str) -> None:
    fake, rig = FakeBeidou(protocol), Rig()
    async with a_terminal(fake, rig):
        await rig.until(lambda: rig.ready)
        for words in cut("堤坝漫水，请求支援。" * 12, 77):
            fake.bring(412345, words)
        fake.bring(412345, "(3/2)none")
        await rig.until(lambda: len(rig.came) == 5)
        assert [(one.part, one.parts) for one in rig.came] == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 1)]
        assert "".join(one.body for one in rig.came[:4]) == "堤坝漫水，请求支援。" * 12


def test_what_a_terminal_may_say_that_can_not_be() -> None:
    found = dialect("2.1")
    for every, told in ((b"9" * 400, 0.0), (b"-5", 0.0), (b"99999", MOST_WAIT_S), (b"61", 61.0)):
        (card,) = found.receive(FakeBeidou.line(b"BDICI,0242286,00242286,0000011,6,%s,3,N,0" % every))
        assert isinstance(card, Card) and card.every_s == told
    (limit,) = found.receive(FakeBeidou.line(b"BDFKI,TXA,N,Y,0,99999"))
    assert isinstance(limit, Feedback) and limit.wait_s == MOST_WAIT_S
    # A text may hold what sentences are made of; noise before it too.
    plain = FakeBeidou.line(b"BDTXR,1,0412345,0,,price*2$BDICI,*ff, 5")
    assert found.receive(b"$BDICI,1$CC" + plain) == [Message("bd:0412345", "price*2$BDICI,*ff, 5")]
    assert found.receive(b"\n" * 200_000 + b"$" * 5000 + b"\r\n") == []
    frames = dialect("4.0")
    assert frames.receive(b"$" * 200_000) == []
    for other in (b"ICJC", b"XTZJ"):
        assert frames.receive(FakeBeidou("4.0").frame(b"$FKXX", b"\0" + other)) == []
    (sent,) = frames.receive(FakeBeidou("4.0").frame(b"$FKXX", b"\0TXSQ"))
    assert sent == Feedback(True)
    with pytest.raises(LocalProtocolError):
        frames.send("16777216", "x")


def test_the_sentences_of_bd3() -> None:
    found = dialect("bd3")
    lines = [
        "BDICP,4207733,2097151,12,60,3",
        "BDPWI,023242,3,4,1",
        "BDFKI,023242,TCQ,Y,0,0",
        "BDFKI,023242,TCQ,N,2,0",
        "BDFKI,023242,TCQ,N,1,30",
        "BDTCI,04207733,2097151,2,023242,3,0,A4B5BDB4EF",
        "BDTCI,04207733",
        "BDICP,none",
    ]
    assert found.receive(b"".join(sentence(one) for one in lines)) == [
        Card("4207733"),
        Beams((3, 4, 1)),
        Feedback(True),
        Feedback(False, "bd-no-beam", 0.0, "reason 2"),
        Feedback(False, "bd-card-limit", 30.0, "reason 1"),
        Message("bd:4207733", "到达", "023242"),
    ]
    assert found.damaged == 2
    assert found.send("0412345", "到").startswith(b"$CCTCQ,0412345,2,1,3,A4B5BD,0*")


def test_published_lines_of_2_1() -> None:
    found = dialect("2.1")
    assert found.ask_card() == b"$CCICA,0,00*7B\r\n" and found.ask_beams() == b"$CCRMO,BSI,2,0*26\r\n"
    told = b"$BDICI,0242286,00242286,0000011,6,60,3,N,0*38\r\n$BDICI,0000000,00000000,0000000,0,0,0,N,0*0B\r\n"
    assert found.receive(told) == [Card("0242286", 60.0), Card("")]
    plain = b"BDTXR,1,0412345,0,,\xca\xd5\xb5\xbd"
    sum_ = 0
    for one in plain:
        sum_ ^= one
    assert found.receive(b"$%s*%02X\r\n" % (plain, sum_)) == [Message("bd:0412345", "收到")]
    assert found.receive(b"$BDICI,1*00\r\n" + b"x" * 5000) == [] and found.damaged == 2


@pytest.mark.parametrize("protocol", ["2.1", "4.0", "bd3"])
def test_any_bytes_are_read(protocol: str) -> None:
    import random

    rng, found = random.Random(4), dialect(protocol)
    for _ in range(300):
        found.receive(
            rng.choice([b"$BDTXR,", b"$TXXX\0\x14", b"$BDFKI,TXA,Y", b"\r\n"]) + rng.randbytes(rng.randrange(60))
        )


def test_long_ones_are_cut_by_bytes_and_numbered() -> None:
    pieces = cut("水" * 100, 77)
    assert len(pieces) == 3 and all(len(one.encode("gbk")) <= 77 for one in pieces) and pieces[0].startswith("(1/3)水")
    assert cut("x" * 77, 77) == ["x" * 77]
    with pytest.raises(Unsupported):
        cut("x" * 5000, 77)
