"""A daemon of embedded defaults, which has nothing to do: each adapter serves, and none ends or begins anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.paths.uplink_rig import NO_BROKER, Gateway
from tests.peers.stage import ports


@pytest.mark.parametrize("role", ["edge", "center"])
async def test_no_adapter_ends_by_itself(tmp_path: Path, role: str, caplog: pytest.LogCaptureFixture) -> None:
    with ports() as free:
        text = NO_BROKER + free.config().replace("0.0.0.0", "127.0.0.1") + f'[gateway]\nid = "one"\nrole = "{role}"\n'
        text += f'[adapter.uplink]\nlisten_udp = "127.0.0.1:{free.other}"\n' if role == "center" else ""
        made = Gateway(tmp_path, text, free)
        try:
            await made.start()
            assert made.daemon is not None
            for _ in range(20):
                await asyncio.sleep(0.05)
                wrong = [one for one in made.daemon.attached.statuses() if one.state not in ("running", "off")]
                assert not wrong
        finally:
            await made.stop()
    assert "ended without an error" not in caplog.text
