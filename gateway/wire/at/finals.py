"""What ends an answer: OK, ERROR and its numbers, the words of a call."""

from __future__ import annotations

from gateway.wire.at.command import Outcome

CALL_WORDS = ("NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE")

# 3GPP TS 27.007 §9.2: those that something follows from, and their verbose words (AT+CMEE=2).
CME_WORDS = {
    "phone failure": 0,
    "operation not allowed": 3,
    "operation not supported": 4,
    "sim not inserted": 10,
    "sim pin required": 11,
    "sim puk required": 12,
    "sim failure": 13,
    "sim busy": 14,
    "sim wrong": 15,
    "incorrect password": 16,
    "sim pin2 required": 17,
    "sim puk2 required": 18,
    "memory full": 20,
    "invalid index": 21,
    "no network service": 30,
    "network timeout": 31,
    "network not allowed - emergency calls only": 32,
    "network not allowed, emergency calls only": 32,
    "unknown": 100,
    "illegal ms": 103,
    "illegal me": 106,
    "gprs services not allowed": 107,
    "plmn not allowed": 111,
    "location area not allowed": 112,
    "roaming not allowed in this location area": 113,
    "service option not supported": 132,
    "requested service option not subscribed": 133,
    "service option temporarily out of order": 134,
    "pdp authentication failure": 149,
}
# 3GPP TS 27.005 §3.2.5.
CMS_WORDS = {
    "me failure": 300,
    "operation not allowed": 302,
    "operation not supported": 303,
    "sim not inserted": 310,
    "sim pin required": 311,
    "sim failure": 313,
    "invalid memory index": 321,
    "memory full": 322,
    "smsc address unknown": 330,
    "no network service": 331,
    "network timeout": 332,
    "unknown error": 500,
}


def final_of(line: str, *, dials: bool) -> tuple[Outcome, int | None] | None:
    """How `line` ends an answer, and its number; None when it ends none. `dials`: the words of calls end it too."""
    if line == "OK":
        return Outcome.OK, None
    if line in ("ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS"):  # Huawei and ZTE have words of their own
        return Outcome.ERROR, None
    for start, outcome, words in (("+CME ERROR:", Outcome.CME, CME_WORDS), ("+CMS ERROR:", Outcome.CMS, CMS_WORDS)):
        if line.startswith(start):
            told = line[len(start) :].strip()
            if told.isascii() and told.isdigit() and len(told) <= 5:
                return outcome, int(told)
            return outcome, words.get(told.lower())
    if dials:
        if line in CALL_WORDS:
            return Outcome.CALL, None
        if line == "CONNECT" or line.startswith("CONNECT "):
            return Outcome.CONNECT, None
    return None
