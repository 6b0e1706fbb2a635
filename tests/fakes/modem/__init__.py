"""A cellular modem that is none: it speaks AT as real ones do, and is wrong on purpose in the ways real ones are.

    modem = FakeModem(chip=EC25)
    with PtyEnd(modem, tmp_path / "modem") as end:   # end.path stays, the pty behind it is renumbered
        modem.faults.cut = (1, 7)
        modem.text_in("10086", "您好")
        modem.hang("power")

Its time is the running loop's, so that a test on `tests.fakes.loop` moves it by hand. See README.md.
"""

from tests.fakes.modem.chips import CHIPS, EC25, EG25, FM150, ME909, RM500Q, RM500U, SIM7600, SIM8200, Chip
from tests.fakes.modem.device import FakeModem
from tests.fakes.modem.ends import PtyEnd, abstract_end, memory_end, tcp_end
from tests.fakes.modem.faults import Faults
from tests.fakes.modem.pcm import PcmEnd
from tests.fakes.modem.port import ModemPort
from tests.fakes.modem.state import FakeCall, FakeGnss, FakeNet, FakeSim

__all__ = [
    "CHIPS",
    "EC25",
    "EG25",
    "FM150",
    "ME909",
    "RM500Q",
    "RM500U",
    "SIM7600",
    "SIM8200",
    "Chip",
    "FakeCall",
    "FakeGnss",
    "FakeModem",
    "FakeNet",
    "FakeSim",
    "Faults",
    "ModemPort",
    "PcmEnd",
    "PtyEnd",
    "abstract_end",
    "memory_end",
    "tcp_end",
]
