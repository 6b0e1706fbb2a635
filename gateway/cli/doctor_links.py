"""`fieldgate doctor links`: why a link is bad, layer by layer: power, modem, bearer, what passes, TLS, SIP, ICE.

Offline first: what needs no network is asked first, and a link whose lower layer fails is not asked the upper ones. All
links are asked beside each other; the whole ends within a minute, with what was found until then.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.cli.links import PHASES
from gateway.cli.words import t
from gateway.cli.zh import local
from gateway.model.doctor import Finding, Grade
from gateway.net.links import survey
from gateway.net.links.prober import Target, parse_target
from gateway.net.links.survey import Outlet
from gateway.net.rtnetlink import Interface, interfaces

WITHIN_S = 55.0
LOSSY, SLOW_MS, THIN_BPS, SMALL = 0.05, 1500.0, 256e3, 1200
CLOCK_OFF_S = 30.0
_CGNAT = ipaddress.ip_network("100.64.0.0/10")
_STUN = re.compile(r"stun:(\[[0-9a-fA-F:]+\]|[^:?]+)(?::(\d+))?")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask. `tls`: hosts and ports of centers; `sip`: of trunks by UDP; `stun`."""

    probes: Sequence[tuple[str, str, int]] = ()
    tls: Sequence[tuple[str, int]] = ()
    sip: Sequence[tuple[str, int]] = ()
    stun: Sequence[tuple[str, int]] = ()


@dataclass(slots=True)
class Way:
    """A link: as the daemon has it (None: it does not run, or knows none), and its interface."""

    name: str
    told: dict[str, Any] | None = None
    interface: Interface | None = None
    found: list[Finding] = field(default_factory=list)

    def say(self, layer: str, grade: Grade, measured: str, expected: str = "", code: str = "") -> None:
        self.found.append(Finding(f"{self.name}: {layer}", grade, measured, expected, code))

    @property
    def probe(self) -> list[Target]:
        """What the daemon asks by it: its own, where the configuration gives it one."""
        with suppress(ValueError):
            return [Target(*parse_target(str((self.told or {}).get("probe") or "")))]
        return []

    @property
    def outlet(self) -> Outlet:
        one = self.interface
        return Outlet(one.name, next(iter(one.v4), ""), next(iter(one.v6), "")) if one is not None else Outlet("")


def ways(told: Sequence[dict[str, Any]], there: Sequence[Interface]) -> list[Way]:
    """The daemon's links; without it every interface with a default route."""
    by_name = {one.name: one for one in there}
    if told:
        return [Way(one["name"], one, by_name.get(one["interface"])) for one in told]
    return [Way(one.name, None, one) for one in there if one.out4 or one.out6]


def power(root: Path = Path("/sys/class/power_supply")) -> list[Finding]:
    """What feeds this machine, where it can tell."""
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        kind, online, capacity = (_read(folder / name) for name in ("type", "online", "capacity"))
        if kind == "Battery" and capacity.isdecimal():
            low = int(capacity) < 15 and _read(folder / "status") != "Charging"
            grade, code = (Grade.WARN, "battery-low") if low else (Grade.OK, "")
            found.append(Finding(f"power {folder.name}", grade, f"{capacity} %", "15 %" if low else "", code))
        elif online:
            found.append(
                Finding(f"power {folder.name}", Grade.OK, t("on", "有电") if online == "1" else t("off", "无电"))
            )
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()[:64]
    except OSError:
        return ""


def bearer(way: Way) -> bool:
    """Modem and bearer, by their adapter's word, and the interface by the kernel's. False: nothing beyond is asked."""
    told, one = way.told, way.interface
    if told is not None and told["bearer_phase"] is not None:
        good = told["bearer_phase"] in ("up", "degraded")
        signal = told["signal"]
        parts = [_phase(told["bearer_phase"]), told["device"], signal["operator"], signal["technology"]]
        parts += [f"RSRP {signal['rsrp_dbm']:.0f} dBm"] if signal["rsrp_dbm"] is not None else []
        parts += [f"SINR {signal['sinr_db']:.0f} dB"] if signal["sinr_db"] is not None else []
        if told["code"] == "sat-messages-only":  # a satellite phone that is well: no packets go by it
            way.say(t("bearer", "承载"), Grade.OK, " ".join(part for part in parts if part))
            return False
        # Up, and with a reason of its own: a station whose control address is silent, or that is muted.
        own = good and told["phase"] == told["bearer_phase"] and not told["code"].startswith("link-")
        lacks = told["code"] if own else ""
        # What a bearer says of itself stands in the detail where its interface is not there.
        doubt = lacks or (way.interface is None and told["code"] == "link-no-interface" and told["detail"])
        grade = Grade.FAIL if not good else Grade.WARN if doubt else Grade.OK
        code = lacks if good else told["code"] or "link-no-interface"
        parts += [local(told["detail"])] if doubt or not good else []
        way.say(
            t("bearer", "承载"), grade, " ".join(part for part in parts if part), "" if good else _phase("up"), code
        )
        if not good:
            return False
    if told is not None and told["phase"] == "off":
        way.say(t("use", "使用"), Grade.WARN, t("not used", "不使用"), "", told["code"])
        return False
    if one is None:
        _no_interface(way, str(told["interface"]) if told is not None else "")
        return False
    if not one.up or not (one.v4 or one.v6):
        way.say(t("interface", "网卡"), Grade.FAIL, t("down, or no address", "未启用或无地址"), "", "link-off")
        return False
    addresses = ", ".join((*one.v4, *one.v6)[:4])
    if not (one.out4 or one.out6):
        way.say(
            t("interface", "网卡"),
            Grade.WARN,
            f"{one.name} {addresses}",
            t("a default route", "缺省路由"),
            "link-no-route",
        )
    else:
        way.say(t("interface", "网卡"), Grade.OK, f"{one.name} {addresses}")
    return True


def _phase(word: str) -> str:
    return t(*PHASES[word][:2]) if word in PHASES else word


def _no_interface(way: Way, named: str) -> None:
    """A bearer may be well, and its interface not there, or nobody said which it is."""
    layer = t("interface", "网卡")
    if named:
        way.say(layer, Grade.FAIL, t(f"{named} is not there", f"{named} 不存在"), named, "link-no-interface")
    else:
        said = t("none is named: what passes is not known", "未指定网卡，无法判断数据是否通畅")
        way.say(layer, Grade.WARN, said, "interface = …", "link-unnamed")


async def passing(way: Way, targets: Sequence[Target], tls: Sequence[Target], unresolved: Sequence[str] = ()) -> None:
    """RTT, loss, rate up, MTU, NAT; whether UDP is blocked is known by what TCP says."""
    out = way.outlet
    mine = [one for one in targets if out.source(one.family)]
    own = [one for one in mine if one.scheme == "udp"]
    center = next((one for one in tls if out.source(one.family)), None)
    tcp = await survey.shaken(out, center.family, center.host, center.port) if center is not None else None
    lively = None
    for target in mine:
        pings = await survey.pings(out, target)
        if pings.answered:
            lively = target
            _pings(way, pings, target)
            break
    if mine and lively is None:
        blocked = tcp is not None and tcp.seconds is not None
        code = "link-udp-blocked" if blocked else "link-no-reply"
        asked = ", ".join(map(str, mine))
        way.say(t("data path", "数据通路"), Grade.WARN if blocked else Grade.FAIL, asked, t("an answer", "应答"), code)
    elif not mine and unresolved:
        names = ", ".join(unresolved)
        way.say(t("data path", "数据通路"), Grade.WARN, names, t("an address", "可解析的地址"), "dns-failed")
    elif not mine:
        way.say(
            t("data path", "数据通路"), Grade.OFF, t("nothing to ask: set links.probe", "未设置 links.probe，未检查")
        )
    if lively is not None and lively.scheme == "udp":
        await _echoed(way, lively, own)
    if tcp is not None and center is not None:
        _tls(way, tcp, f"{center.host}:{center.port}")


def _pings(way: Way, pings: survey.Pings, target: Target) -> None:
    loss = 1 - pings.answered / pings.sent
    said = f"{pings.rtt_ms:.0f} ms ± {pings.jitter_ms or 0:.0f}, {t('loss', '丢包')} {100 * loss:.0f} % ({target})"
    if loss > LOSSY:
        way.say(t("data path", "数据通路"), Grade.WARN, said, f"≤ {100 * LOSSY:.0f} %", "link-lossy")
    elif (pings.rtt_ms or 0) > SLOW_MS:
        way.say(t("data path", "数据通路"), Grade.WARN, said, f"≤ {SLOW_MS:.0f} ms", "link-slow")
    else:
        way.say(t("data path", "数据通路"), Grade.OK, said)


async def _echoed(way: Way, target: Target, own: Sequence[Target]) -> None:
    out = way.outlet
    # Each train is 36 kB: one where what is sent costs.
    trains = 1 if way.told is not None and way.told.get("metered") else 3
    rates = [rate for rate in [await survey.capacity(out, target) for _ in range(trains)] if rate is not None]
    if rates:
        rate = sorted(rates)[len(rates) // 2]
        thin = rate < THIN_BPS
        said = f"{rate / 1e6:.2f} Mb/s"
        grade, code = (Grade.WARN, "link-thin") if thin else (Grade.OK, "")
        way.say(t("rate up", "上行速率"), grade, said, "≥ 0.26 Mb/s" if thin else "", code)
    size = await survey.payload(out, target)
    if size is not None:
        packet = size + (28 if target.family == socket.AF_INET else 48)
        small = size < SMALL
        grade, code = (Grade.WARN, "link-mtu") if small else (Grade.OK, "")
        way.say("MTU", grade, f"≥ {packet}", f"≥ {SMALL + 28}" if small else "", code)
    seen = await survey.mapping(out, [target, *(one for one in own if one != target)])
    if seen:
        kind, strict = nat(seen, (out.v4, out.v6))
        way.say(
            "NAT", Grade.WARN if strict else Grade.OK, f"{kind} ({seen[0][0]})", "", "link-nat-strict" if strict else ""
        )


def nat(seen: Sequence[tuple[str, int]], own: Sequence[str]) -> tuple[str, bool]:
    """In words, and whether each far end is given another port: no direct way for media then."""
    if seen[0][0] in own:
        return t("none", "无"), False
    shared = any(one and "." in one and ipaddress.ip_address(one) in _CGNAT for one in own)
    kind = t("carrier-grade", "运营商级") if shared else t("yes", "有")
    if len(set(seen)) > 1:
        return f"{kind}, {t('another port for each far end (symmetric)', '对称型')}", True
    return (f"{kind}, {t('the same port for all', '端口一致（锥型）')}" if len(seen) > 1 else kind), False


def _tls(way: Way, tcp: survey.Shaking, where: str) -> None:
    if tcp.seconds is None:
        way.say("TLS", Grade.FAIL, f"{where}: {local(tcp.problem)}", t("a handshake", "握手成功"), "tls-failed")
        return
    way.say("TLS", Grade.OK, f"{where} {1000 * tcp.seconds:.0f} ms")
    if tcp.clock_off_s is not None:
        off = abs(tcp.clock_off_s) > CLOCK_OFF_S
        said = t(f"{tcp.clock_off_s:+.0f} s from the center's", f"与中心相差 {tcp.clock_off_s:+.0f} 秒")
        way.say(
            t("clock", "时钟"),
            Grade.WARN if off else Grade.OK,
            said,
            f"≤ {CLOCK_OFF_S:.0f} s" if off else "",
            "clock-off" if off else "",
        )


async def upper(way: Way, sip: Sequence[Target], stun: Sequence[Target], resolvers: Sequence[Target]) -> None:
    """Names, SIP, ICE."""
    out = way.outlet
    servers = [one for one in resolvers if out.source(one.family) and not ipaddress.ip_address(one.host).is_loopback]
    answered = [one for one in servers if (await survey.pings(out, one)).answered]
    if servers:
        said = ", ".join(one.host for one in answered or servers)
        grade, code = (Grade.OK, "") if answered else (Grade.WARN, "dns-failed")
        way.say("DNS", grade, said, "" if answered else t("an answer", "应答"), code)
    for target in sip:
        if out.source(target.family):
            status = await survey.options(out, target)
            grade, code = (Grade.OK, "") if status else (Grade.FAIL, "trunk-silent")
            way.say(
                "SIP", grade, f"{target.host}:{target.port} {status or ''}".strip(), "" if status else "OPTIONS", code
            )
    for target in stun:
        if out.source(target.family):
            seen = await survey.stun(out, target)
            said = f"{target.host}: {seen[0]}:{seen[1]}" if seen else target.host
            grade, code = (Grade.OK, "") if seen else (Grade.WARN, "ice-failed")
            way.say("ICE", grade, said, "" if seen else t("a STUN answer", "STUN 应答"), code)


async def examine(
    told: Sequence[dict[str, Any]], asked: Asked, there: Sequence[Interface] | None = None
) -> list[Finding]:
    """All layers of all links, within a minute."""
    end = asyncio.get_running_loop().time() + WITHIN_S
    found = power()
    links = ways(told, interfaces() if there is None else there)
    if not links:
        found.append(
            Finding(t("links", "链路"), Grade.FAIL, t("no interface leads out", "没有可用的出口网卡"), "", "no-address")
        )
    live = [way for way in links if bearer(way)]
    probes = await _resolved([(scheme, host, port) for scheme, host, port in asked.probes])
    tls, sip, stun = [await _resolved([("udp", *one) for one in some]) for some in (asked.tls, asked.sip, asked.stun)]
    resolvers = [Target("dns", host, 53) for host in nameservers()]

    unresolved = [host for _, host, _ in asked.probes] if asked.probes and not probes else []

    async def one(way: Way) -> None:
        try:
            async with asyncio.timeout_at(end):
                await passing(way, [*way.probe, *(one for one in probes if one not in way.probe)], tls, unresolved)
                await upper(way, sip, stun, resolvers)
        except TimeoutError:
            words = t("not finished: too much is silent", "未完成：无应答过多")
            way.say(t("the rest", "其余检查"), Grade.WARN, words, f"≤ {WITHIN_S:.0f} s", "link-no-reply")

    await asyncio.gather(*(one(way) for way in live))
    return [*found, *(finding for way in links for finding in way.found)]


async def _resolved(asked: Sequence[tuple[str, str, int]]) -> list[Target]:
    async def one(scheme: str, host: str, port: int) -> list[Target]:
        with suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(5.0):
                answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            return [Target(scheme, str(where[0]), port) for *_, where in answers[:2]]
        return []

    return [target for found in await asyncio.gather(*(one(*words) for words in asked)) for target in found]


def nameservers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    found = []
    for words in (line.split() for line in _lines(file)):
        if len(words) > 1 and words[0] == "nameserver":
            with suppress(ValueError):
                found.append(str(ipaddress.ip_address(words[1])))
    return found[:3]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


def whom(config: Any, outward: Sequence[dict[str, Any]]) -> Asked:
    """By the configuration, and by where this kit calls its centers (`doctor ports`)."""
    probes = [parse_target(one) for one in config.links.probe]
    tls = [place for one in outward if one["outward"] and one["protocol"] == "tcp" and (place := _place(one))]
    sip: list[tuple[str, int]] = []
    stun: list[tuple[str, int]] = []
    for section in config.adapters.values():
        values = section.values.model_dump(mode="json")
        trunks = values.get("trunks") or values.get("trunk") or {}
        for trunk in trunks.values() if isinstance(trunks, dict) else []:
            for server in trunk.get("servers", []):
                transport, _, rest = str(server).partition(":")
                host, _, port = rest.rpartition(":")
                if transport == "udp" and host and port.isdecimal():
                    sip.append((host.strip("[]"), int(port)))
        urls = [values.get("stun_server", ""), *(one.get("url", "") for one in values.get("ice_servers") or [])]
        for url in urls:
            if found := _STUN.match(str(url or "")):
                stun.append((found.group(1).strip("[]"), int(found.group(2) or 3478)))
    return Asked(probes, tls[:4], sip[:4], stun[:2])


def _place(one: dict[str, Any]) -> tuple[str, int] | None:
    host, port = str(one["far"]).partition(",")[0].strip("[]"), str(one["ports"])
    return (host, int(port)) if host and port.isdecimal() else None
