"""Every reason the gateway may give, in words: what happened and what to do, Chinese and English.

A reason travels as its `code` (and a free `detail`); this is the one list of what the codes mean. The API, the
console, the log and `doctor` look it up here, so that a black tile always says why. The words stand in
`gateway/model/reasons/`, one file a field; a house test holds every code used in the tree to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.reasons import (
    access,
    bundle,
    commands,
    containers,
    convert,
    devices,
    discovery,
    forward,
    general,
    hls,
    kit,
    kits,
    links,
    local,
    machine,
    mesh,
    modem_calls,
    modem_manager,
    modems,
    onvif,
    phones,
    radio,
    rtmp,
    rtsp,
    satellite,
    sip_calls,
    sip_trunks,
    snmp,
    sources,
    streams,
    talk,
    texts,
    transport,
    uplink,
    vehicles,
    viewers,
)

_FIELDS = (
    access,
    bundle,
    commands,
    containers,
    convert,
    devices,
    discovery,
    forward,
    general,
    hls,
    kit,
    kits,
    links,
    local,
    machine,
    modem_calls,
    modem_manager,
    modems,
    mesh,
    onvif,
    phones,
    radio,
    rtmp,
    rtsp,
    satellite,
    sip_calls,
    sip_trunks,
    snmp,
    sources,
    streams,
    talk,
    texts,
    vehicles,
    transport,
    viewers,
    uplink,
)


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    cause_en: str
    cure_en: str
    cause_zh: str
    cure_zh: str


REASONS: dict[str, Reason] = {row[0]: Reason(*row) for field in _FIELDS for row in field.ROWS}


OURS_ALONE = frozenset(
    {
        "unauthenticated",
        "bad-credentials",
        "locked-out",
        "csrf",
        "invitation-unknown",
        "invitation-ended",
        "invitation-used-up",
        "ticket-unknown",
        "ticket-ended",
    }
)
"""About whoever is signed in here: no other gateway knows of that."""


def far_code(code: str) -> str:
    """The reason that another gateway gave, as one of ours; `peer-refused` for one that it can not mean."""
    return code if code in REASONS and code not in OURS_ALONE else "peer-refused"


def reason(code: str) -> Reason:
    """The words for `code`; for one that is not in the list, those of `internal` with the code kept."""
    found = REASONS.get(code)
    if found is not None:
        return found
    words = REASONS["internal"]
    return Reason(code, words.cause_en, words.cure_en, words.cause_zh, words.cure_zh)
