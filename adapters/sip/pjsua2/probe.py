"""The technician's test phone: one call by a SIP stack that is not ours, and what came of it in figures and words.

It runs the stages a person would try by hand, and stops at the first that fails: register, call, ring, answer, sound
there and back. `quality` is the E-model of ITU-T G.107 in its usual short form: from loss, delay and codec to MOS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from adapters.sip.pjsua2.process import WorkerProcess
from gateway.base.errors import GatewayError, Unsupported

log = logging.getLogger(__name__)

ACCOUNT, CALL = 1, 1
TONE_HZ = 1000
REGISTER_S = 12.0
FIGURES_S = 2.0
HANG_UP_S = 5.0

_IE = {"pcma": 0.0, "pcmu": 0.0, "g722": 13.0, "l16": 0.0}
_BPL = {"pcma": 25.1, "pcmu": 25.1, "g722": 25.1, "l16": 25.1}
"""Equipment impairment and robustness to loss, with concealment (ITU-T G.113 Appendix I)."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where the call starts. `server` as a SIP URI (`sip:10.0.0.1:5060;transport=tcp`), through which all goes."""

    server: str
    domain: str
    user: str
    auth_user: str = ""
    password: str = ""
    register: bool = True
    srtp: str = "off"
    audio: tuple[str, ...] = ("pcma", "pcmu", "g722")

    def __repr__(self) -> str:
        return f"Line({self.user}@{self.domain} via {self.server})"


@dataclass(slots=True)
class Report:
    """`failed_at` is "" when all went well, else register, call, media; `code` a reason of model.reason."""

    number: str
    failed_at: str = ""
    code: str = ""
    detail: str = ""
    registered_ms: int | None = None
    answered_ms: int | None = None
    ring_ms: int | None = None
    codec: str = ""
    remote: str = ""
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss_ratio: float | None = None
    peer_loss_ratio: float | None = None
    received: int = 0
    sent: int = 0
    mos: float | None = None
    heard: bool = False
    seconds: float = 0.0
    steps: list[str] = field(default_factory=list)


Say = Callable[[str, str], None]
"""(stage, detail), while it goes on: register, ringing, up, measuring, end."""


def quality(codec: str, loss_ratio: float, one_way_ms: float) -> float:
    """Mean opinion score, 1 … 4.5. `loss_ratio` 0 … 1; `one_way_ms` mouth to ear, jitter buffer included."""
    delay = 0.024 * one_way_ms + (0.11 * (one_way_ms - 177.3) if one_way_ms > 177.3 else 0.0)
    loss = loss_ratio * 100
    ie, bpl = _IE.get(codec, 10.0), _BPL.get(codec, 10.0)
    r = 93.2 - delay - (ie + (95 - ie) * loss / (loss + bpl))
    r = min(max(r, 0.0), 100.0)
    return round(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 2)


async def place_test_call(
    line: Line, number: str, *, seconds: float = 6.0, ring_s: float = 40.0, say: Say = lambda _stage, _detail: None
) -> Report:
    """Call, play a tone, measure, hang up. Raises Unsupported (`not-installed`, IPv6); all else is in the report."""
    if "[" in line.server:
        raise Unsupported("the test phone has no IPv6 (PJSIP's wheel is built without): name the server's IPv4 address")
    run = _Run(Report(number), say)
    try:
        async with WorkerProcess(run.event, run.died) as worker:
            await run.drive(worker, line, seconds, ring_s)
    except GatewayError as exc:
        if exc.code == "not-installed":
            raise
        run.fail(run.stage, exc.code, str(exc))
    return run.report


class _Stop(Exception):
    """The report says why."""


class _Run:
    def __init__(self, report: Report, say: Say) -> None:
        self.report = report
        self.stage = "register"
        self._say = say
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def event(self, record: dict[str, Any]) -> None:
        self._events.put_nowait(record)

    def died(self, words: str) -> None:
        self._events.put_nowait({"ev": "died", "words": words})

    def fail(self, stage: str, code: str, detail: str) -> None:
        if not self.report.failed_at:
            self.report.failed_at, self.report.code, self.report.detail = stage, code, detail

    async def drive(self, worker: WorkerProcess, line: Line, seconds: float, ring_s: float) -> None:
        with suppress(_Stop):
            try:
                await self._register(worker, line)
                await self._call(worker, line, ring_s)
                await self._measure(worker, seconds)
            finally:
                self._say("end", "")
                worker.order({"do": "hang-up", "call": CALL})
                with suppress(TimeoutError, _Stop):
                    await self._until("state", HANG_UP_S, state="ended")

    async def _register(self, worker: WorkerProcess, line: Line) -> None:
        if line.register:
            self._say("register", line.server)
        worker.order({"do": "codecs", "codecs": list(line.audio)})
        account: dict[str, Any] = {"do": "account", "account": ACCOUNT, "uri": f"sip:{line.user}@{line.domain}"}
        account |= {"proxy": f"{line.server};lr", "srtp": line.srtp}
        if line.password:
            account |= {"user": line.auth_user or line.user, "password": line.password}
        if line.register:
            account["registrar"] = f"sip:{line.domain}"
        worker.order(account)
        if not line.register:
            return
        try:
            answer = await self._until("registered", REGISTER_S)
        except TimeoutError:
            self._stop("register", "trunk-down", f"{line.server} does not answer REGISTER")
        status = int(answer["status"])
        if status // 100 != 2:
            code = "wrong-password" if status in (401, 403, 407) else "trunk-down" if status == 408 else "peer-failed"
            self._stop("register", code, f"REGISTER: {status} {answer['words']}")
        self.report.registered_ms = int(answer["ms"])

    async def _call(self, worker: WorkerProcess, line: Line, ring_s: float) -> None:
        self.stage = "call"
        loop = asyncio.get_running_loop()
        uri = self.report.number
        if not uri.startswith(("sip:", "tel:")):
            uri = f"sip:{uri}@{line.domain}"
        began = loop.time()
        worker.order({"do": "call", "call": CALL, "account": ACCOUNT, "uri": uri, "tone": TONE_HZ})
        while True:
            left = began + ring_s - loop.time()
            try:
                record = await self._until("state", max(left, 0.01))
            except TimeoutError:
                self._stop("call", "no-answer", f"nobody answered in {ring_s:.0f} s")
            took = round((loop.time() - began) * 1000)
            if record["state"] == "ringing" and self.report.ring_ms is None:
                self.report.ring_ms = took
                self._say("ringing", f"{record['status']}")
            elif record["state"] == "up":
                self.report.answered_ms = took
                return
            elif record["state"] == "ended":
                self._refused(int(record["status"]), str(record["words"]))

    async def _measure(self, worker: WorkerProcess, seconds: float) -> None:
        self.stage = "media"
        self._say("up", "")
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        last: dict[str, Any] = {}
        while loop.time() < ends:
            with suppress(TimeoutError):
                record = await self._until("state", min(1.0, max(ends - loop.time(), 0.01)), state="ended")
                self._take(last)
                self._stop("media", "peer-hung-up", f"{record['status']} {record['words']}")
            worker.order({"do": "figures", "call": CALL})
            with suppress(TimeoutError):
                last = await self._until("figures", FIGURES_S)
                self.report.heard |= int(last.get("level", 0)) > 0
                self._say("measuring", f"{last.get('codec', '')} {last.get('received', 0)}")
        self.report.seconds = seconds
        self._take(last)
        if not last:
            self._stop("media", "no-common-codec", "the call is up, but no sound was agreed")
        if not self.report.received and not self.report.failed_at:
            self._stop("media", "no-media", f"no packet came from {self.report.remote or 'the peer'}: NAT or firewall")

    def _take(self, figures: dict[str, Any]) -> None:
        report = self.report
        if not figures:
            return
        report.codec, report.remote = str(figures["codec"]), str(figures["remote"])
        report.received, report.sent = int(figures["received"]), int(figures["sent"])
        report.rtt_ms, report.jitter_ms = figures["rtt_ms"], float(figures["jitter_ms"])
        report.loss_ratio = _ratio(int(figures["lost"]), report.received + int(figures["lost"]))
        report.peer_loss_ratio = _ratio(int(figures["peer_lost"]), report.sent)
        worst = max(report.loss_ratio or 0.0, report.peer_loss_ratio or 0.0)
        if report.received:
            delay = (report.rtt_ms or 0.0) / 2 + 2 * report.jitter_ms + 40  # two frames in packets and buffer
            report.mos = quality(report.codec, worst, delay)

    def _refused(self, status: int, words: str) -> None:
        from adapters.sip.ends import refused

        end = refused(status or 503, words)
        self._stop("call", end.code, end.detail)

    def _stop(self, stage: str, code: str, detail: str) -> Any:
        self.fail(stage, code, detail)
        raise _Stop

    async def _until(self, event: str, timeout_s: float, **wanted: str) -> dict[str, Any]:
        """The next event of that kind. Raises TimeoutError; _Stop when the worker died."""
        async with asyncio.timeout(timeout_s):
            while True:
                record = await self._events.get()
                if record["ev"] == "died":
                    self._stop(self.stage, "sip-worker-died", record["words"])
                if record["ev"] == "failed":
                    self._stop(self.stage, "peer-failed", f"{record['do']}: {record['words']}")
                if record["ev"] == event and all(record.get(key) == value for key, value in wanted.items()):
                    return record
                if record["ev"] == "state" and record.get("state") == "ended" and event != "state":
                    self._events.put_nowait(record)  # whoever waits for states must see it
                    if event == "figures":
                        raise TimeoutError


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
