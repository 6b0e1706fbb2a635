"""How a data session is made and ended by AT: 3GPP's own commands, and each maker's for its network interface. Sans-IO.

Addresses come to the interface by DHCP, as it is with ECM, NCM and RNDIS: the machine's network manager asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.base.log import Secret
from gateway.wire.at import Answer, Command, Outcome, fields, number

CONTEXT = 1
MAKE_S = 60.0


@dataclass(frozen=True, slots=True)
class Way:
    """`state` asks whether the network interface has the session; 3GPP has no word for that. `at`: where it stands."""

    make: str
    end: str
    state: str = ""
    prefix: str = ""
    at: int = 0


WAYS: dict[str, Way] = {
    "cgact": Way("AT+CGACT=1,1", "AT+CGACT=0,1"),
    "qnetdevctl": Way("AT+QNETDEVCTL=1,1,1", "AT+QNETDEVCTL=0,1,0", "AT+QNETDEVCTL?", "+QNETDEVCTL", 3),
    "gtrndis": Way("AT+GTRNDIS=1,1", "AT+GTRNDIS=0,1", "AT+GTRNDIS?", "+GTRNDIS"),
    "ndisdup": Way("AT^NDISDUP=1,1", "AT^NDISDUP=1,0", "AT^NDISSTATQRY?", "^NDISSTATQRY"),
}


def context(apn: str) -> Command:
    return Command(f'AT+CGDCONT={CONTEXT},"IPV4V6","{apn}"')


def credentials(user: str, password: Secret) -> Command:
    """PAP or CHAP as the network asks (3GPP TS 27.007 §10.1.31)."""
    return Command(f'AT+CGAUTH={CONTEXT},2,"{user}","{password.reveal()}"', secret=True)


def make(way: str) -> Command:
    return Command(WAYS[way].make, timeout_s=MAKE_S)


def state(way: str) -> Command | None:
    """Of LTE, a context is active as soon as the modem is registered: that alone brings no data to this machine."""
    one = WAYS[way]
    return Command(one.state, (one.prefix,), empty_ok=True) if one.state else None


def stands(way: str, lines: Sequence[str]) -> bool | None:
    """Whether the interface has it, by the answer to `state`; None: the modem does not say."""
    told = [number(fields(line), WAYS[way].at) for line in lines]
    known = [one for one in told if one is not None]
    return any(one == 1 for one in known) if known else None


def end(way: str) -> Command:
    return Command(WAYS[way].end, timeout_s=15.0)


ACTIVE = Command("AT+CGACT?", ("+CGACT",), empty_ok=True)
ADDRESSES = Command(f"AT+CGPADDR={CONTEXT}", ("+CGPADDR",), empty_ok=True)
CONTEXTS = Command("AT+CGDCONT?", ("+CGDCONT",), empty_ok=True)

# 3GPP TS 27.007 §9.2.2: unknown or missing access point name, and those that mean the same where none is set.
_NO_APN = {27, 33, 126, 132, 133}
# Services not allowed; not subscribed; user or password wrong: asked again in another way the network says the same.
_NO_PLAN = {107, 133, 149}


def refusal(answer: Answer, apn: str) -> str:
    """The reason that a network gave for no session."""
    if answer.outcome is Outcome.CME and answer.code in _NO_APN and not apn:
        return "modem-no-apn"
    if answer.outcome is Outcome.CME and answer.code in (27, 126):
        return "modem-no-apn"
    return "modem-no-plan" if answer.outcome is Outcome.CME and answer.code in _NO_PLAN else "modem-data-refused"
