"""BeiDou terminals: both protocols against a fake that is wrong as real ones are, each failure by its reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.satphone import beidou
from adapters.satphone.beidou import BeidouTerminal, cut
from adapters.satphone.config import PhoneConfig
from adapters.satphone.protocol.beidou import Beams, Card, Feedback, Message, dialect, sentence
from adapters.satphone.protocol.standing import Standing
from gateway.base.errors import LinkDown, PeerError, Unsupported
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


@pytest.mark.parametrize("protocol", ["2.1", "4.0"])
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


@pytest.mark.parametrize("protocol", ["2.1", "4.0"])
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
        Message("bd:04207733", "到达", "023242"),
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
