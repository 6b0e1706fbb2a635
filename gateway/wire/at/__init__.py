"""AT commands, sans-IO: lines, commands with the shape of their answers, one engine for modems and satellite phones."""

from gateway.wire.at.command import PDU, Answer, Command, Outcome
from gateway.wire.at.engine import AtCounts, AtEngine, AtTimes, State
from gateway.wire.at.events import Answered, AtEvent, Resynced, Silent, Unsolicited
from gateway.wire.at.lines import LineReader, Token
from gateway.wire.at.values import fields, hexadecimal, number, real, text

__all__ = [
    "PDU",
    "Answer",
    "Answered",
    "AtCounts",
    "AtEngine",
    "AtEvent",
    "AtTimes",
    "Command",
    "LineReader",
    "Outcome",
    "Resynced",
    "Silent",
    "State",
    "Token",
    "Unsolicited",
    "fields",
    "hexadecimal",
    "number",
    "real",
    "text",
]
