"""The doctor's questions to SIP, asked without a running daemon: ports, users, certificates, trunks."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.sip.adapter_tls import ends_at
from adapters.sip.config import SipConfig, SipListen
from adapters.sip.config_trunk import Server, TrunkConfig
from adapters.sip.guard import Guard
from adapters.sip.trunk_reach import client_tls, reach
from adapters.sip.trunk_status import TrunkState
from adapters.sip.trunks import Trunks
from adapters.sip.users import UserFile, Users
from gateway.base.errors import ConfigError, GatewayError
from gateway.model.doctor import Finding, Grade
from gateway.net.sip import Listen, SipEndpoint
from gateway.wire.sip import SipUri, new_request

PATIENCE_S = 3.0
MAX_BANS_TOLD = 8
SOON = timedelta(days=30)


async def checks(config: SipConfig) -> Sequence[Finding]:
    found = [_port(one) for one in config.listen if one.at.port]
    found.append(await asyncio.to_thread(_users, config))
    if config.tls.certificate is not None:
        found.append(await asyncio.to_thread(_certificate, config.tls.certificate))
    found.extend(_engines([(name, one.engine) for name, one in config.trunks.items()]))
    found.extend(await _trunks(config))
    return found


def standing(trunks: Trunks, users: Users, guard: Guard, now: float) -> list[Finding]:
    """What a running adapter finds: trunks and accounts that are not up, users that can not register, bans."""
    found: list[Finding] = []
    for trunk in trunks:
        status = trunk.status
        check, told = f"sip trunk {status.name}", f"{status.state} {status.server} {status.detail}".strip()
        if status.state is not TrunkState.UP:
            found.append(Finding(check, Grade.FAIL, told, "up", code=status.code or "trunk-down"))
            continue
        bad = [one for one in status.accounts if one.code]
        found.append(Finding(check, Grade.OK if not bad else Grade.WARN, told, "up", code=status.code if bad else ""))
    found.extend(_engines([(trunk.name, trunk.config.engine) for trunk in trunks]))
    misfits = users.misfits()
    if misfits:
        found.append(Finding("sip users", Grade.WARN, ", ".join(misfits), "set anew", code="sip-realm"))
    if users.problem:
        found.append(Finding("sip users", Grade.FAIL, users.problem, "readable", code="config"))
    for source in sorted(guard.banned(now))[:MAX_BANS_TOLD]:
        found.append(Finding("sip bans", Grade.WARN, source, "none", code=guard.why(source)))
    return found


def _engines(chosen: Sequence[tuple[str, str]]) -> list[Finding]:
    """Trunks whose calls PJSIP shall place, where it is not."""
    from adapters.sip.pjsua2.process import installed

    wanting = [name for name, engine in chosen if engine == "pjsua2"]
    if not wanting or installed():
        return []
    words = f"trunks {', '.join(wanting)}: the extra [pjsua2] is missing"
    return [Finding("sip engine pjsua2", Grade.FAIL, words, "installed", code="not-installed")]


def _port(listen: SipListen) -> Finding:
    check = f"sip {listen.transport} port"
    host, port = listen.at
    kind = socket.SOCK_DGRAM if listen.transport == "udp" else socket.SOCK_STREAM
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
            if ":" in host:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as exc:
        if host == "::" and exc.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return Finding(check, Grade.OFF, f"{listen.at}: {exc.strerror}")  # a machine without IPv6
        return Finding(check, Grade.FAIL, f"{listen.at}: {exc.strerror}", "free", code="port-in-use")
    return Finding(check, Grade.OK, f"{listen.at} is free", "free")


def _users(config: SipConfig) -> Finding:
    """Those of the configuration, and of the file where it may be read."""
    state_dir = Path(os.environ.get("FIELDGATE_STATE_DIR", "/var/lib/fieldgate"))
    named = {name for name, user in config.users.items() if user.password or user.password_file}
    try:
        stored = UserFile(state_dir / "adapters" / "sip").read()
    except ConfigError as exc:
        return Finding("sip users", Grade.WARN, str(exc), "readable", code=exc.code)
    misfits = [user.name for user in stored.values() if user.realm != config.realm]
    if misfits:
        return Finding("sip users", Grade.WARN, ", ".join(sorted(misfits)), config.realm, code="sip-realm")
    count = len(named | set(stored))
    if not count:
        return Finding("sip users", Grade.OFF, "none: no softphone can register", code="sip-no-users")
    return Finding("sip users", Grade.OK, str(count))


def _certificate(file: Path) -> Finding:
    check = "sip tls certificate"
    try:
        end = ends_at(file)
    except ConfigError as exc:
        return Finding(check, Grade.FAIL, str(exc), "a PEM certificate", code=exc.code)
    left = end - datetime.now(UTC)
    told = f"{file} ends {end:%Y-%m-%d}"
    if left <= timedelta(0):
        return Finding(check, Grade.FAIL, told, "in force", code="certificate-old")
    if left < SOON:
        return Finding(check, Grade.WARN, told, "30 days or more", code="certificate-old")
    return Finding(check, Grade.OK, told)


async def _trunks(config: SipConfig) -> list[Finding]:
    if not config.trunks:
        return []
    hosts = [Listen("udp", "0.0.0.0", 0)]  # noqa: S104 - asks outwards; nobody is served
    if socket.has_ipv6:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                probe.bind(("::", 0))
            hosts.append(Listen("udp", "::", 0))
        except OSError:
            pass
    async with SipEndpoint(hosts, product=config.user_agent) as endpoint:
        asked = [
            _server(endpoint, name, trunk, server) for name, trunk in config.trunks.items() for server in trunk.servers
        ]
        return list(await asyncio.gather(*asked))


async def _server(endpoint: SipEndpoint, name: str, config: TrunkConfig, server: Server) -> Finding:
    """OPTIONS; any answer but 503 shows that calls could go there."""
    check = f"sip trunk {name}"
    user = config.accounts[0].user if config.accounts else "fieldgate"
    try:
        async with asyncio.timeout(PATIENCE_S * 2):
            hop, _ = await reach(endpoint, server, client_tls(f"trunks.{name}", config))
            us = SipUri(config.own_domain, user)
            request = new_request("OPTIONS", SipUri(config.own_domain), from_=us, hop=hop, contact_user=user)
            response = await endpoint.request(request, hop, timeout=PATIENCE_S)
    except GatewayError as exc:
        code = exc.code if exc.code in ("name-unresolved", "certificate-bad") else "trunk-silent"
        return Finding(check, Grade.FAIL, f"{server}: {exc}", "answers OPTIONS", code=code)
    except TimeoutError:
        return Finding(check, Grade.FAIL, f"{server}: no connection", "answers OPTIONS", code="trunk-silent")
    if response.status == 503:
        return Finding(check, Grade.FAIL, f"{server}: 503", "answers OPTIONS", code="trunk-unavailable")
    return Finding(check, Grade.OK, f"{server} answers ({response.status})")
