"""Which centers a kit meets at which brokers, and what may be shown there.

Centers whose brokers are the same share a session; others have one each, with the certificate that they gave. What lies
in a broker is seen by every center that listens to it: the directory and positions go as far as the narrowest of their
rights, while events and files, which are for one center, go by its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.mqtt.address import Broker
from adapters.mqtt.enrol import told_brokers
from gateway.base.authority import ClientFiles
from gateway.model.pairing import PairedCenter

PORT = 8883
NOTHING = "-"
"""A scope that holds nothing: no gateway's id begins so."""


@dataclass(frozen=True, slots=True)
class Group:
    """`centers` by their gateway ids ("": whichever answers); `scope`: what all of them may see; `files`: of whichever
    has given some."""

    brokers: tuple[Broker, ...]
    centers: tuple[str, ...]
    scope: str = ""
    files: ClientFiles | None = None


def groups(
    paired: Sequence[PairedCenter],
    kept: Mapping[str, ClientFiles],
    brokers: Sequence[Broker],
    centers: Sequence[str],
) -> list[Group]:
    """`brokers` and `centers` are those of the configuration: brokers that are named there are for all centers."""
    if brokers:
        met = [(list(brokers), list(paired))]
    else:
        met = []
        for one in paired:
            theirs, together = _brokers(one, kept[one.gateway]), [one]
            for other in [other for other in met if set(other[0]) & set(theirs)]:
                met.remove(other)
                theirs, together = list(dict.fromkeys([*other[0], *theirs])), [*other[1], *together]
            met.append((theirs, together))
    found = []
    for number, (theirs, together) in enumerate(met):
        names = [one.gateway for one in together] + (list(centers) if number == 0 else [])
        files = next((kept[one.gateway] for one in together if kept[one.gateway].whole()), None)
        scope = narrowest([one.scope for one in together])
        found.append(Group(tuple(theirs), tuple(dict.fromkeys(names)) or ("",), scope, files))
    return found


def narrowest(scopes: Sequence[str]) -> str:
    """What lies in each of them: the innermost, where one holds the other; `NOTHING` where they lie apart."""
    narrow = ""
    for scope in (one.rstrip("/") for one in scopes):
        if not narrow or scope.startswith(f"{narrow}/"):
            narrow = scope
        elif scope and scope != narrow and not narrow.startswith(f"{scope}/"):
            return NOTHING
    return narrow


def _brokers(center: PairedCenter, files: ClientFiles) -> list[Broker]:
    """As the center told, else where it is itself."""
    return told_brokers(files) or [Broker("tls", host, PORT) for host in center.hosts]
