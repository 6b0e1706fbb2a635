"""What a trunk's calls look like: who called, which number of ours he meant, and how ours are written there.

P-Asserted-Identity (RFC 3325) and Diversion (RFC 5806) are read from, and sent to, a trusted trunk only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.sip.accounts import Account
from adapters.sip.config_trunk import TrunkConfig
from adapters.sip.numbers import Habits, dialled, fits, rewritten
from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip import NameAddr, SipRequest, SipUri, printable
from gateway.wire.sip.uri import split_scheme

MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Identity:
    number: str
    display: str
    asserted: bool = False


def habits(config: TrunkConfig) -> Habits:
    return Habits(config.international, config.national, config.country)


def caller_of(request: SipRequest, config: TrunkConfig) -> Identity:
    """Who calls, as he may be shown: asserted by the trunk where it is trusted, else what From says."""
    try:
        said = request.from_
    except RemoteProtocolError:
        said = NameAddr("sip:anonymous@anonymous.invalid")
    named, asserted = said, False
    if config.trusted:
        found = _first(request, "P-Asserted-Identity")
        if found is not None:
            named, asserted = found, True
    number = habits(config).e164(user_of(named))
    display = printable(named.display or said.display)[:MAX_NAME]
    return Identity(number or "anonymous", display, asserted)


def diversion_of(request: SipRequest, config: TrunkConfig) -> str:
    """The number that was called first, "" for a call that was not diverted."""
    found = _first(request, "Diversion") if config.trusted else None
    return "" if found is None else habits(config).e164(user_of(found))


def called_numbers(text: str, config: TrunkConfig) -> list[str]:
    """The number that was called in the forms the plan may have it: as rewritten, international, national."""
    number = rewritten(config.rewrite_in, dialled(text))
    whole = habits(config).e164(number)
    return list(dict.fromkeys((number, whole, habits(config).home(whole))))


def listed(numbers: Iterable[str], config: TrunkConfig) -> str:
    """The first form of a called number that this trunk may reach, "" for none: everything else is refused."""
    return next((one for one in numbers if any(fits(pattern, one) for pattern in config.numbers)), "")


def outgoing_number(number: str, config: TrunkConfig) -> str:
    return rewritten(config.rewrite_out, number)


def identity_headers(
    config: TrunkConfig, account: Account | None, number: str, display: str, diverted_from: str
) -> list[tuple[str, str]]:
    """Route (Service-Route), and to a trusted trunk P-Asserted-Identity and Diversion."""
    lines = [("Route", value) for value in (account.service_route if account is not None else ())]
    if config.trusted:
        if number:
            lines.append(("P-Asserted-Identity", str(NameAddr(our_uri(config, number), display))))
        if diverted_from:
            lines.append(("Diversion", f"<{our_uri(config, diverted_from)}>;reason=unconditional"))
    return lines


def our_uri(config: TrunkConfig, user: str) -> str:
    return str(SipUri(config.own_domain, user))


def target_uri(config: TrunkConfig, number: str) -> str:
    """The Request-URI. The port is said only where the domain is the server itself, on a port of its own."""
    server = config.servers[0]
    usual = 5061 if server.transport == "tls" else 5060
    port = server.port if not config.domain and server.port != usual else None
    return str(SipUri(config.own_domain, number, port))


def user_of(named: NameAddr) -> str:
    """The number in a sip:, sips: or tel: address, "" where there is none."""
    try:
        scheme, rest = split_scheme(named.uri)
        if scheme == "tel":
            return printable(dialled(rest))
        return printable(dialled(named.user))
    except RemoteProtocolError:
        return ""


def _first(request: SipRequest, name: str) -> NameAddr | None:
    try:
        values = request.values(name)
        return NameAddr.parse(values[0]) if values else None
    except RemoteProtocolError:
        return None
