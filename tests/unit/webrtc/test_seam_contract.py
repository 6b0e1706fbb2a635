"""What adapters/webrtc/seam.py leans on in aiortc and aioice. Fails loudly when a version bump moves one of them.

If it fails: read the changed source, adapt seam.py, then change VERSIONS and pyproject.toml together.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from pathlib import Path

import aioice
import aioice.ice
import aiortc
import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport, SRTPProtectionProfile

from adapters.webrtc import seam


def test_versions_are_the_pinned_ones() -> None:
    assert {"aiortc": aiortc.__version__, "aioice": aioice.__version__} == seam.VERSIONS
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    for name, version in seam.VERSIONS.items():
        assert f'"{name}=={version}"' in project


async def test_every_private_name_is_there() -> None:
    certificate = seam.Certificate.generateCertificate()
    connection = aioice.Connection(ice_controlling=False)
    dtls = seam.NativeDtls(seam.IcePath(connection), certificate, "server")  # type: ignore[arg-type]
    things = {
        "aioice.ice.Connection": connection,
        "aioice.ice.StunProtocol": aioice.ice.StunProtocol(connection),
        "aiortc.rtcdtlstransport.RTCDtlsTransport": dtls,
        "aiortc.rtcdtlstransport.RTCCertificate": certificate,
    }
    assert set(things) == set(seam.PRIVATE_NAMES)
    for path, names in seam.PRIVATE_NAMES.items():
        module, _, name = path.rpartition(".")
        source = inspect.getsource(getattr(importlib.import_module(module), name))
        for attribute in names:
            there = hasattr(things[path], attribute) or f"{attribute}:" in source
            assert there, f"{path}.{attribute} is gone"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (aioice.Connection.get_component_candidates, ["self", "component", "addresses", "timeout"]),
        (aioice.Connection.check_complete, ["self", "pair"]),
        (aioice.Connection.check_incoming, ["self", "message", "addr", "protocol"]),
        (aioice.Connection.data_received, ["self", "data", "component"]),
        (aioice.Connection.gather_candidates, ["self"]),
        (aioice.Connection.close, ["self"]),
        (aioice.ice.StunProtocol.datagram_received, ["self", "data", "addr"]),
        (RTCDtlsTransport._setup_srtp, ["self"]),
        (RTCDtlsTransport._set_role, ["self", "role"]),
        (SRTPProtectionProfile.get_key_and_salt, ["self", "src", "idx"]),
    ],
)
def test_overridden_and_called_functions_keep_their_shape(function: object, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters  # type: ignore[arg-type]


def test_dtls_uses_of_its_transport_only_what_ours_has() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    used = {word.split("(")[0].split(")")[0] for word in source.split("self.transport.")[1:]}
    names = {"".join(c for c in word.split()[0] if c.isidentifier() or c == "_") for word in used}
    assert names <= {"role", "_recv", "_send"}, names


def test_rtp_never_reaches_the_dtls_transport() -> None:
    """aiortc reads SRTP only when `_rx_srtp` is set, and only `_setup_srtp`, which is ours, would set it."""
    source = inspect.getsource(RTCDtlsTransport)
    assert "first_byte > 127 and first_byte < 192 and self._rx_srtp" in source
    assert source.count("self._rx_srtp = ") == 1 or source.count("self._rx_srtp:") == 1
    assert "_rx_srtp" not in inspect.getsource(seam.NativeDtls)


async def test_consent_expiry_closes_the_connection() -> None:
    source = inspect.getsource(aioice.Connection.query_consent)
    assert "return await self.close()" in source
    assert asyncio.iscoroutinefunction(aioice.Connection.close)
