"""One trunk as a supervised state machine: servers in order, registrations or OPTIONS, fail-over and fail-back.

One session with one server at a time. It ends when the server falls silent, its connection breaks, no account can
register there, a better server answers again, or our own address changes; then the next session begins.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from adapters.sip.accounts import Account, AccountState
from adapters.sip.config_trunk import Server, TrunkConfig
from adapters.sip.trunk_reach import reach, ways_of
from adapters.sip.trunk_servers import ServerList
from adapters.sip.trunk_status import TrunkState, TrunkStatus
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown
from gateway.net.sip import SipEndpoint
from gateway.wire.sip import Hop, SipUri, new_request

log = logging.getLogger(__name__)

AT_ONCE = 8  # REGISTERs of one trunk under way together: a server restarted must not be stormed
GOODBYE_S = 1.5
HOPE_S = 8.0  # so long a broken connection may take to be made anew before the calls by it are asked
_FINAL = frozenset({"trunk-password", "trunk-unknown", "trunk-refused"})


class _Again(Exception):
    """No failure: a better server is back, or our address changed, and the next session begins at once."""


class _Session:
    """One server in use. `over` is set once, by whoever notices first."""

    def __init__(self, hop: Hop) -> None:
        self.hop = hop
        self.up = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, why: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(why)


class Trunk:
    """`changed` after each change of `status`; `moved` when our own end of the way is another one: calls tell their
    peers; `lost` (in words) when the server's end is gone or another one: calls ask their peers."""

    def __init__(
        self,
        name: str,
        config: TrunkConfig,
        accounts: Sequence[Account],
        endpoint: SipEndpoint,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        changed: Callable[[TrunkStatus], None] = lambda _: None,
        moved: Callable[[], None] = lambda: None,
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.config = config
        self.accounts = tuple(accounts)
        self.addresses: set[str] = set()  # of all its servers, as last resolved
        self.networks = tuple(ipaddress.ip_network(one) for one in config.sources)
        self._endpoint = endpoint
        self._tls = tls
        self._clock = clock or Clock()
        self._changed = changed
        self._moved = moved
        self._lost = lost
        self._down_since: float | None = None  # since a session that was up failed
        self._servers = ServerList(len(config.servers), first_s=config.retry_first, most_s=config.retry_most)
        self._turns: Counter[int] = Counter()  # failures of each server: over UDP its next address is next
        self._session: _Session | None = None
        self._last_hop: Hop | None = None
        self._wake = asyncio.Event()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._rtt_ms: float | None = None
        self._said = TrunkStatus(name, config.mode, TrunkState.STARTING, since=self._clock.wall())

    # — what others see —

    @property
    def hop(self) -> Hop | None:
        """The way to the server in use; None while there is none."""
        session = self._session
        return session.hop if session is not None and session.up else None

    @property
    def status(self) -> TrunkStatus:
        said = self._said
        accounts = tuple(account.status for account in self.accounts)
        return TrunkStatus(
            said.name,
            said.mode,
            said.state,
            said.code,
            said.detail,
            said.server,
            said.since,
            said.retry_at,
            self._rtt_ms if said.state is TrunkState.UP else None,
            accounts,
        )

    def account(self, user: str) -> Account | None:
        return next((one for one in self.accounts if one.user == user), None)

    def again_after(self, hop: Hop) -> Callable[[], Awaitable[Hop]] | None:
        """How a call that goes by `hop` finds its way anew: by this trunk's own connection, whose certificate was
        checked and by which the server finds us. None for UDP: any datagram to the same address will do."""
        if hop.transport == "udp":
            return None

        async def again() -> Hop:
            now = self.hop
            if now is None:
                raise LinkDown(f"trunk {self.name} is not up", code="trunk-down")
            return now

        return again

    async def readdress(self) -> None:
        """Our machine's addresses changed: what failed before may work now, and what stands may lead by another way."""
        self._servers.retry_all()
        self._wake.set()
        await self.check_route()

    async def check_route(self) -> None:
        """Begin anew when packets to the server leave from another address of ours than before: another modem, another
        route. A connection would live on for a while by the old one, and is given up."""
        session = self._session
        if session is None:
            return
        hop = session.hop
        try:
            now = await self._endpoint.hop_to("udp", hop.remote)  # sends nothing: the kernel is asked for the way
        except LinkDown as exc:
            if hop.transport == "udp":
                session.end(exc)
            return
        if now.local[0] != hop.local[0]:
            session.end(_Again("our address changed"))
            if hop.flow:
                self._endpoint.close_flow(hop, "our address changed")

    def flow_closed(self, hop: Hop, why: str) -> None:
        session = self._session
        if session is not None and hop.flow and session.hop.flow == hop.flow:
            session.end(LinkDown(f"the connection to {hop} is gone: {why}"))
            if session.up:
                self._moved()  # calls find another way, or end: nobody else would tell them for half an hour

    # — its life —

    async def run(self) -> None:
        """Until cancelled; then the accounts are signed off."""
        await self._resolve_all()
        try:
            while True:
                index, wait = self._servers.choose(self._clock.monotonic())
                if wait > 0:
                    self._say(TrunkState.WAITING, self._said.code, self._said.detail, retry_s=wait)
                    await self._pause(wait)
                    continue
                await self._try(index, self.config.servers[index])
        finally:
            await self._goodbye()
            self._say(TrunkState.STOPPED)

    async def _try(self, index: int, server: Server) -> None:
        for account in self.accounts:
            account.begin()
        try:
            await self._serve(index, server)
        except _Again as exc:
            log.info("SIP trunk %s: %s", self.name, exc)
        except GatewayError as exc:
            for account in self.accounts:
                if account.registered:
                    account.say(AccountState.WAITING, exc.code, str(exc))
            least = self.config.refused_retry if exc.code in _FINAL else 0.0
            self._servers.failed(index, self._clock.monotonic(), least)
            self._turns[index] += 1
            self._say(TrunkState.CONNECTING, exc.code, str(exc), server=server)
            log.warning("SIP trunk %s at %s: %s", self.name, server, exc)
            self._mourn(f"trunk {self.name}: {exc}")

    def _mourn(self, words: str) -> None:
        """Over UDP at once; a connection may yet be made anew, by which the calls go on (`again_after`)."""
        if self._down_since is None or self._last_hop is None:
            return
        if not self._last_hop.flow or self._clock.monotonic() - self._down_since >= HOPE_S:
            self._lost(words)

    async def _serve(self, index: int, server: Server) -> None:
        """One session. Ends by an exception only."""
        self._say(TrunkState.CONNECTING, self._said.code, self._said.detail, server=server)
        hop, addresses = await reach(self._endpoint, server, self._tls, self._turns[index])
        self.addresses.update(addresses)
        session = _Session(hop)
        if self.config.mode == "static" and not await self._answers(hop):
            raise LinkDown(f"{server} does not answer OPTIONS", code="trunk-silent")
        self._session = session
        works = [self._keep(account, session, index) for account in self.accounts if self.config.mode == "register"]
        works.append(self._keepalive(session))
        if index:
            works.append(self._failback(index, session))
        tasks = [asyncio.create_task(work, name=f"SIP trunk {self.name}") for work in works]
        try:
            if self.config.mode == "static":
                self._is_up(session, index)
            await session.over
        except GatewayError:
            if session.up:
                self._down_since = self._clock.monotonic()
            raise
        finally:
            session.up = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._session = None

    async def _keep(self, account: Account, session: _Session, index: int) -> None:
        """Register one account and refresh it for as long as the session lasts."""
        failures = 0
        while True:
            async with self._at_once:
                try:
                    granted = await account.register(self._endpoint, session.hop)
                    failures, wait = 0, granted.refresh_s
                except GatewayError as exc:
                    account.failed(exc)
                    wait = min(self.config.retry_most, self.config.retry_first * 2.0 ** min(failures, 16))
                    if exc.code in _FINAL:
                        wait = self.config.refused_retry
                    failures += 1
                    log.warning("SIP trunk %s: %s", self.name, exc)
                    if not session.up and exc.code not in _FINAL:
                        session.end(exc)  # nobody is registered yet, and it is the server that fails
            self._judge(session, index)
            await asyncio.sleep(wait)

    def _judge(self, session: _Session, index: int) -> None:
        """Whether this server serves us, after each attempt of an account."""
        states = [account.status.state for account in self.accounts]
        if AccountState.REGISTERED in states:
            self._is_up(session, index)
        elif AccountState.REGISTERING not in states and AccountState.IDLE not in states:
            first = self.accounts[0].status
            session.end(LinkDown(first.detail, code=first.code or "trunk-unavailable"))

    def _is_up(self, session: _Session, index: int) -> None:
        bad = [a.status for a in self.accounts if a.status.state in (AccountState.REFUSED, AccountState.WAITING)]
        code, detail = (bad[0].code, bad[0].detail) if bad else ("", "")
        if session.up:
            if (code, detail) != (self._said.code, self._said.detail):
                self._say(TrunkState.UP, code, detail, server=self.config.servers[index])
            return
        session.up = True
        self._servers.works(index)
        self._say(TrunkState.UP, code, detail, server=self.config.servers[index])
        log.info("SIP trunk %s is up: %s", self.name, session.hop)
        self._down_since = None
        before, self._last_hop = self._last_hop, session.hop
        if before is not None and before.remote != session.hop.remote and not before.flow:
            self._lost(f"trunk {self.name} went over to {session.hop}")
        if before is not None and (before.local, before.flow) != (session.hop.local, session.hop.flow):
            self._moved()

    async def _keepalive(self, session: _Session) -> None:
        misses = 0
        while True:
            await asyncio.sleep(self.config.keepalive if misses == 0 else 0)
            misses = 0 if await self._answers(session.hop) else misses + 1
            if misses >= self.config.keepalive_misses:
                session.end(LinkDown(f"{session.hop} left {misses} OPTIONS unanswered", code="trunk-silent"))
                return

    async def _failback(self, index: int, session: _Session) -> None:
        """While on a lesser server: look whether a better one is back."""
        while True:
            await asyncio.sleep(self.config.failback)
            for better in range(index):
                try:
                    hop, addresses = await reach(self._endpoint, self.config.servers[better], self._tls)
                except LinkDown:
                    continue
                if await self._answers(hop):
                    self.addresses.update(addresses)
                    self._servers.works(better)
                    session.end(_Again(f"{self.config.servers[better]} is back"))
                    return

    async def _answers(self, hop: Hop) -> bool:
        """OPTIONS: any final answer but 503 is life."""
        us = SipUri(self.config.own_domain, self.accounts[0].user if self.accounts else "fieldgate")
        request = new_request("OPTIONS", SipUri(self.config.own_domain), from_=us, hop=hop, contact_user=us.user)
        began = self._clock.monotonic()
        try:
            response = await self._endpoint.request(request, hop, timeout=self.config.keepalive_patience)
        except GatewayError:
            return False
        self._rtt_ms = round((self._clock.monotonic() - began) * 1000.0, 1)
        return response.status != 503

    async def _resolve_all(self) -> None:
        """The addresses calls may come from; a name that does not resolve now is asked again at its turn."""
        for server in self.config.servers:
            try:
                self.addresses.update(host for host, _ in await ways_of(self._endpoint, server))
            except LinkDown as exc:
                log.warning("SIP trunk %s: %s", self.name, exc)

    async def _goodbye(self) -> None:
        hop = self._last_hop
        if hop is not None:
            await asyncio.gather(*(a.unregister(self._endpoint, hop, GOODBYE_S) for a in self.accounts))

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _say(
        self, state: TrunkState, code: str = "", detail: str = "", *, server: Server | None = None, retry_s: float = 0.0
    ) -> None:
        now = self._clock.wall()
        since = self._said.since if state is self._said.state else now
        shown = self._said.server if server is None else str(server)
        retry_at = now + retry_s if retry_s else 0.0
        self._said = TrunkStatus(self.name, self.config.mode, state, code, detail, shown, since, retry_at)
        self._changed(self.status)
