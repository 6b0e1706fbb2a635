"""The AT engine: whose is this line? Against bytes written by hand, and a fake modem that is bad at everything."""

from __future__ import annotations

import re

import pytest

from gateway.base.errors import Busy, LocalProtocolError
from gateway.wire.at import (
    PDU,
    Answer,
    Answered,
    AtEngine,
    AtTimes,
    Command,
    Outcome,
    Resynced,
    Silent,
    State,
    Unsolicited,
    fields,
    hexadecimal,
    number,
    real,
)
from gateway.wire.at.engine import MAX_WAITING
from gateway.wire.at.lines import MAX_LINE, LineReader, Token
from tests.fakes.loop import advance, by_hand
from tests.fakes.modem import FakeModem
from tests.fakes.modem.pdus import deliver
from tests.unit.wire.at_rig import AtRig

CSQ = Command("AT+CSQ", ("+CSQ",))
CREG = Command("AT+CREG?", ("+CREG",), shape=re.compile(r"\+CREG: [0-3],1?\d(,.*)?"))
IMEI = Command("AT+CGSN", plain=re.compile(r"\d{15}"))
CMGL = Command("AT+CMGL=4", ("+CMGL",), body=PDU, empty_ok=True)


def drain(engine: AtEngine) -> list[object]:
    out = []
    while (event := engine.next_event()) is not None:
        out.append(event)
    return out


def exchange(command: Command, data: bytes) -> tuple[Answer | None, list[str]]:
    """The answer to one command, and the unsolicited lines that came with it; `data` cut at every byte."""
    engine = AtEngine()
    engine.submit(command, 0.0)
    sent = engine.data_to_send(0.0)
    assert sent == command.text.encode() + b"\r"
    for at in range(len(data)):
        engine.receive_data(data[at : at + 1], 0.1)
    events = drain(engine)
    answers = [event.answer for event in events if isinstance(event, Answered)]
    return (answers[0] if answers else None), [event.line for event in events if isinstance(event, Unsolicited)]


def test_an_answer_with_unsolicited_lines_within() -> None:
    answer, urcs = exchange(CSQ, b'AT+CSQ\r\r\nRING\r\n\r\n+CSQ: 20,99\r\n\r\n+CMTI: "ME",3\r\n\r\nOK\r\n')
    assert answer == Answer(CSQ, Outcome.OK, ("+CSQ: 20,99",), "OK")
    assert urcs == ["RING", '+CMTI: "ME",3']


def test_the_same_prefix_is_told_by_its_shape() -> None:
    answer, urcs = exchange(
        CREG, b'\r\n+CREG: 5\r\n\r\n+CREG: 2,1,"1A2B","00C0FFEE",7\r\n\r\n+CREG: 1,"1A2B"\r\n\r\nOK\r\n'
    )
    assert answer is not None and answer.lines == ('+CREG: 2,1,"1A2B","00C0FFEE",7',)
    assert urcs == ["+CREG: 5", '+CREG: 1,"1A2B"']


def test_lines_without_prefix_have_a_shape() -> None:
    answer, urcs = exchange(IMEI, b"\r\nNO CARRIER\r\n\r\nwhat is this\r\n\r\n867530900000123\r\n\r\nOK\r\n")
    assert answer is not None and answer.lines == ("867530900000123",)
    assert urcs == ["NO CARRIER"]


@pytest.mark.parametrize(
    ("data", "outcome", "code"),
    [
        (b"\r\nERROR\r\n", Outcome.ERROR, None),
        (b"\r\n+CME ERROR: 10\r\n", Outcome.CME, 10),
        (b"\r\n+CME ERROR: SIM not inserted\r\n", Outcome.CME, 10),
        (b"\r\n+CMS ERROR: 331\r\n", Outcome.CMS, 331),
        (b"\r\n+CME ERROR: what no standard knows\r\n", Outcome.CME, None),
        (b"\r\nCOMMAND NOT SUPPORT\r\n", Outcome.ERROR, None),
    ],
)
def test_refusals(data: bytes, outcome: Outcome, code: int | None) -> None:
    answer, _ = exchange(CSQ, data)
    assert answer is not None and (answer.outcome, answer.code) == (outcome, code) and not answer.ok


def test_the_words_of_calls_end_a_dial_alone() -> None:
    answer, urcs = exchange(Command("ATD10086;", dials=True), b"\r\nBUSY\r\n")
    assert answer is not None and answer.outcome is Outcome.CALL and answer.final == "BUSY"
    answer, urcs = exchange(CSQ, b"\r\nNO CARRIER\r\n\r\n+CSQ: 1,99\r\n\r\nOK\r\n")
    assert answer is not None and answer.ok and urcs == ["NO CARRIER"]
    answer, _ = exchange(Command("ATD*99#", dials=True), b"\r\nCONNECT 150000000\r\n")
    assert answer is not None and answer.outcome is Outcome.CONNECT and answer.ok


def test_bodies_of_answers_and_of_what_comes_unasked() -> None:
    one, two = deliver("+8613800001111", "one"), deliver("10086", "两")
    data = f'\r\n+CMGL: 0,1,,20\r\n\r\n+CMTI: "ME",9\r\n{one}\r\n+CMT: ,22\r\n{two}\r\n'
    data += f"+CMGL: 1,1,,22\r\n{two}\r\n\r\nOK\r\n"
    engine = AtEngine()
    engine.submit(CMGL, 0.0)
    engine.receive_data(data.encode(), 0.1)
    events = drain(engine)
    assert events == [
        Unsolicited('+CMTI: "ME",9'),
        Unsolicited("+CMT: ,22", two),
        Answered(1, Answer(CMGL, Outcome.OK, ("+CMGL: 0,1,,20", one, "+CMGL: 1,1,,22", two), "OK")),
    ]


def test_a_list_may_be_empty() -> None:
    answer, _ = exchange(CMGL, b"\r\nOK\r\n")
    assert answer is not None and answer.ok and answer.lines == ()


def test_the_prompt_has_no_end_and_the_text_follows_it_alone() -> None:
    engine = AtEngine()
    engine.submit(Command("AT+CMGS=10", ("+CMGS",), payload=b"00AB"), 0.0)
    assert engine.data_to_send(0.0) == b"AT+CMGS=10\r"
    engine.receive_data(b"AT+CMGS=10\r\r\n+CREG: 1\r\n\r\n>", 0.1)
    assert engine.data_to_send(0.1) == b"00AB\x1a"
    engine.receive_data(b" 00AB\r\n+CMGS: 7\r\n\r\nOK\r\n", 0.2)
    assert drain(engine)[1:] == [Answered(1, Answer(engine_command(), Outcome.OK, ("+CMGS: 7",), "OK"))]


def engine_command() -> Command:
    return Command("AT+CMGS=10", ("+CMGS",), payload=b"00AB")


def test_a_prompt_may_be_a_word() -> None:
    engine = AtEngine()
    command = Command("AT+SBDWB=4", payload=b"abcd\x01\x8a", payload_end=b"", prompt="READY", plain=re.compile(r"\d"))
    engine.submit(command, 0.0)
    engine.data_to_send(0.0)
    engine.receive_data(b"\r\nREADY\r\n", 0.1)
    assert engine.data_to_send(0.1) == b"abcd\x01\x8a"
    engine.receive_data(b"\r\n0\r\n\r\nOK\r\n", 0.1)
    assert drain(engine) == [Answered(1, Answer(command, Outcome.OK, ("0",), "OK"))]


def test_a_late_ok_answers_nobody() -> None:
    """A times out; its OK comes after the first bare AT went out, and both of those answer too."""
    engine = AtEngine(times=AtTimes(quiet_s=0.2, probe_s=1.0))
    a = engine.submit(Command("AT+CGACT=1,1", timeout_s=5), 0.0)
    b = engine.submit(Command("AT+CGACT=0,1", timeout_s=5), 0.0)
    assert engine.data_to_send(0.0) == b"AT+CGACT=1,1\r"
    engine.handle_timer(5.0)
    assert drain(engine) == [Answered(a, Answer(Command("AT+CGACT=1,1", timeout_s=5), Outcome.TIMEOUT))]
    assert engine.data_to_send(5.0) == b"" and engine.next_timer() == pytest.approx(5.2)
    engine.handle_timer(5.2)
    assert engine.data_to_send(5.2) == b"AT\r"
    engine.receive_data(b"\r\nOK\r\n", 5.3)  # that of A
    engine.receive_data(b"\r\nOK\r\n", 5.4)  # that of the bare AT
    engine.handle_timer(5.61)
    assert engine.data_to_send(5.61) == b"AT\r"
    engine.receive_data(b"AT\r\r\nOK\r\n", 5.7)
    engine.handle_timer(5.91)
    assert engine.data_to_send(5.91) == b"AT+CGACT=0,1\r"
    engine.receive_data(b"\r\nERROR\r\n", 6.0)
    assert drain(engine) == [
        Resynced(1),
        Answered(b, Answer(Command("AT+CGACT=0,1", timeout_s=5), Outcome.ERROR, (), "ERROR")),
    ]


def test_an_ok_that_is_still_owed_does_not_answer_a_command_that_must_have_lines() -> None:
    engine = AtEngine(times=AtTimes(quiet_s=0.2))
    engine.submit(Command("AT+COPS=?", ("+COPS",), timeout_s=1), 0.0)
    engine.handle_timer(1.0)
    for now in (1.2, 1.6):
        engine.handle_timer(now)
        engine.receive_data(b"OK\r\n", now + 0.05)
    engine.handle_timer(2.0)
    assert engine.state is State.IDLE
    drain(engine)
    engine.submit(CSQ, 3.0)
    engine.receive_data(b"OK\r\n", 3.1)
    assert drain(engine) == []
    engine.receive_data(b"+CSQ: 3,99\r\nOK\r\n", 3.2)
    assert drain(engine) == [Answered(2, Answer(CSQ, Outcome.OK, ("+CSQ: 3,99",), "OK"))]


def test_a_modem_that_never_answers_is_told_as_silent() -> None:
    engine = AtEngine(times=AtTimes(probes=3))
    engine.submit(CSQ, 0.0)
    waits = engine.submit(IMEI, 0.0)
    now = 0.0
    while (due := engine.next_timer()) is not None:
        now = due
        engine.handle_timer(now)
        engine.data_to_send(now)
    assert drain(engine)[1:] == [Silent(3), Answered(waits, Answer(IMEI, Outcome.TIMEOUT, begun=False))]
    assert engine.state is State.DEAD and now < 20
    after = engine.submit(IMEI, now)
    assert engine.data_to_send(now) == b""
    assert drain(engine) == [Answered(after, Answer(IMEI, Outcome.TIMEOUT, begun=False))]
    engine.revive(now)
    engine.submit(IMEI, now)
    assert engine.data_to_send(now) == b""
    engine.handle_timer(now + 1)
    assert engine.data_to_send(now + 1) == b"AT\r", "first whether it is there"
    engine.reset()
    engine.submit(IMEI, now)
    assert engine.data_to_send(now) == b"AT+CGSN\r"


def test_what_the_modem_never_had_is_told_apart() -> None:
    """A text behind a prompt that never came can not have gone; one that did may have."""
    engine = AtEngine()
    send = Command("AT+CMGS=3", ("+CMGS",), payload=b"00")
    for prompted in (False, True):
        engine.submit(send, 0.0)
        engine.submit(CSQ, 0.0)
        engine.data_to_send(0.0)
        if prompted:
            engine.receive_data(b"\r\n> ", 0.0)
        engine.reset()
        lost = [event.answer.begun for event in drain(engine) if isinstance(event, Answered)]
        assert lost == [prompted, False]


def test_reset_tells_whoever_waits() -> None:
    engine = AtEngine()
    engine.submit(CSQ, 0.0)
    engine.submit(IMEI, 0.0)
    engine.reset()
    assert [event.answer.outcome for event in drain(engine) if isinstance(event, Answered)] == [Outcome.LOST] * 2


def test_bounds() -> None:
    engine = AtEngine()
    for _ in range(MAX_WAITING + 1):
        engine.submit(CSQ, 0.0)
    with pytest.raises(Busy):
        engine.submit(CSQ, 0.0)
    for text in ("AT\r\nATD112;", "", "AT" + "x" * 2000, "AT+中"):
        with pytest.raises(LocalProtocolError):
            Command(text)
    reader = LineReader()
    for _ in range(10):
        reader.feed(b"\x80" * 3000)
        assert reader.next() is None and reader.holds <= MAX_LINE + 3000
    reader.feed(b"\r\nOK\r\n")
    assert reader.next() == "OK" and reader.noise >= 30_000


def test_urgent_goes_first_and_what_waits_can_be_withdrawn() -> None:
    engine = AtEngine()
    engine.submit(CSQ, 0.0)
    second = engine.submit(IMEI, 0.0)
    engine.submit(Command("ATH"), 0.0, urgent=True)
    assert engine.withdraw(second) and not engine.withdraw(second)
    engine.receive_data(b"+CSQ: 1,99\r\nOK\r\n", 0.1)
    assert engine.data_to_send(0.1) == b"AT+CSQ\rATH\r"


def test_secrets_are_not_shown() -> None:
    command = Command('AT+CPIN="1234"', secret=True)
    answer = Answer(command, Outcome.CME, (), "+CME ERROR: 16", 16)
    assert "1234" not in repr(command) and "1234" not in repr(answer)


def test_values() -> None:
    row = fields('+COPS: 0,2,"460,00",7')
    assert (
        row == ["0", "2", "460,00", "7"] and number(row, 1) == 2 and number(row, 2) is None and number(row, 9) is None
    )
    assert fields("OK") == [] and fields("+CMTI:") == [] and len(fields("+X: " + "1," * 500)) == 64
    assert real(fields("+X: -12.5"), 0) == -12.5 and real(fields("+X: nan,1e9"), 0) is None
    assert hexadecimal(["1A2B", "0x10", "zz"], 0) == 0x1A2B and hexadecimal(["zz"], 0) is None
    assert number(["²"], 0) is None and number(["-7"], 0) == -7


def test_the_prompt_is_a_token_only_where_one_may_come() -> None:
    reader = LineReader()
    reader.feed(b"\r\n> ")
    assert reader.next() is None
    assert reader.next(prompting=True) is Token.PROMPT


@by_hand
async def test_a_text_that_nobody_wants_any_more_is_let_go() -> None:
    """The prompt comes too late: the modem sits there and takes commands for a text."""
    modem = FakeModem()
    rig = AtRig(modem)
    modem.faults.delay_s = 0
    await rig.ask(Command("ATE0"))
    rig.port.receive(b"AT+CMGS=18\r")  # as if its prompt had been late
    answer = await rig.ask(Command("AT+CSQ", ("+CSQ",), timeout_s=1.0))
    assert answer.outcome is Outcome.TIMEOUT
    again = await rig.ask(CSQ)
    assert again.ok and again.lines == ("+CSQ: 23,99",) and not modem.texts.sent


@by_hand
async def test_a_modem_that_is_bad_at_everything() -> None:
    """600 commands, each with an answer of its own; the 10,000 are `make bench-links`."""
    from tests.bench.links.asking import misattributed

    told = await misattributed(600, seed=20261130)
    assert told.wrong == [] and told.answered > 450 and told.timeouts > 5, told
    assert told.urcs_lost == 0 and told.urcs > 300, told


@by_hand
async def test_silence_by_the_loop() -> None:
    modem = FakeModem()
    rig = AtRig(modem)
    modem.hang("power")
    answer = await rig.ask(CSQ)
    assert answer.outcome is Outcome.TIMEOUT
    await advance(30)
    assert [type(event) for event in rig.others] == [Silent]
