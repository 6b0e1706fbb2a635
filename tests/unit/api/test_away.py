"""A picture that can not be had since its adapter does not run: the reason is the adapter's."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.core.facts import AdapterStatus
from gateway.core.services import Services
from gateway.model.principal import Role


@pytest.mark.parametrize("path", ["/whep/kit1/ball-1/ch1", "/whip/drone", "/talk/kit1/talk/ops"])
async def test_the_reason_is_the_adapters(
    client: httpx.AsyncClient, bearer: Any, services: Services, path: str
) -> None:
    off = await client.post(path, headers=bearer(Role.OPERATOR), content="v=0")
    assert (off.status_code, off.json()["code"]) == (503, "adapter-off")
    taken = AdapterStatus("webrtc", "webrtc", "failed", "port-in-use", "UDP 8189 is in use")
    services.daemon.adapters = lambda: [taken]  # type: ignore[method-assign]
    told = (await client.post(path, headers=bearer(Role.OPERATOR), content="v=0")).json()
    assert (told["code"], told["detail"]) == ("port-in-use", "webrtc: UDP 8189 is in use")
    assert told["cause"]["zh"] and told["cure"]["en"]
    assert (await client.post(path, content="v=0")).status_code == 401
