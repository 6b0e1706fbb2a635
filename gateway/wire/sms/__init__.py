"""Short messages as modems carry them: PDUs both ways, alphabets, parts of long ones."""

from gateway.wire.sms.body import Alphabet, Body, Part, split
from gateway.wire.sms.pdu import Deliver, StatusReport, Submit, read_pdu, write_deliver, write_submit

__all__ = [
    "Alphabet",
    "Body",
    "Deliver",
    "Part",
    "StatusReport",
    "Submit",
    "read_pdu",
    "split",
    "write_deliver",
    "write_submit",
]
