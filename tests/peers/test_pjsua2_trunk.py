"""A trunk that is set to the pjsua2 engine, on the whole gateway: a call of it, and the end of its worker process."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.sip.pjsua2.process import installed
from adapters.sip.routing import MediaPolicy
from gateway.base.log import LogSetup
from gateway.config.load import load_config
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.command import Action, Command
from gateway.model.principal import SYSTEM
from gateway.model.voice import CallState, CallStatus
from gateway.net.sip import IncomingRequest, Listen, SipEndpoint
from gateway.registry import Installed
from tests.paths.sip_rig import Phone, a_plane
from tests.peers.stage import ports

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        not installed(), reason="the extra [pjsua2] has no wheel for this Python: run `make peers` on 3.11"
    ),
]
PATIENCE_S = 20.0


def workers() -> set[int]:
    """Processes of PJSIP that this one started."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            if b"pjsua2" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(int(pid))
    return found


async def alive(incoming: IncomingRequest) -> None:
    incoming.respond(200)


@asynccontextmanager
async def trunk(place: Path) -> AsyncIterator[tuple[Core, Phone]]:
    """A gateway with a static trunk, at whose server a phone answers."""
    async with AsyncExitStack() as stack:
        at = stack.enter_context(ports())
        plane = await stack.enter_async_context(a_plane())
        phone = Phone(plane, "8201", MediaPolicy(srtp="off", audio=("pcma",)))
        phone.endpoint = await stack.enter_async_context(SipEndpoint([Listen("udp", "127.0.0.1", 0)]))
        phone.endpoint.on_call(phone.on_call)
        phone.endpoint.on_request("OPTIONS", alive)
        file = place / "kit.toml"
        file.write_text(
            at.config().replace("0.0.0.0", "127.0.0.1")
            + f"""
[gateway]
id = "kit1"
[[adapter.sip.routes]]
pattern = "82XX"
trunks = ["center"]
[adapter.sip.trunks.center]
mode = "static"
engine = "pjsua2"
servers = ["udp:127.0.0.1:{phone.port}"]
"""
        )
        registry = Installed()
        found = load_config(file, registry)
        found = dataclasses.replace(found, gateway=found.gateway.model_copy(update={"state_dir": place / "state"}))
        logs = LogSetup("warning", "text")
        stack.callback(logs.stop)
        daemon = Daemon(found, file, place / "state", registry=registry)
        await stack.enter_async_context(daemon.started())
        yield daemon.core, phone


async def placed(core: Core) -> str:
    """A call to the phone, once the trunk is up."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            order = Command(uuid4().hex, SYSTEM, Action.CALL_PLACE, "", time.time() + 10, {"number": "8201"})
            result = await core.commands.execute(order)
            if result.code != "trunk-down":
                assert "call" in result.data, result
                return str(result.data["call"])
            await asyncio.sleep(0.05)


async def until(core: Core, call: str, state: CallState) -> CallStatus:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status = next(one for one in core.calls.list(SYSTEM) if one.id == call)
            if status.state is state:
                return status
            await asyncio.sleep(0.02)


async def test_a_call_of_a_trunk_that_is_set_to_it_and_the_death_of_its_worker(tmp_path: Path) -> None:
    before = workers()
    async with trunk(tmp_path) as (core, phone):
        call = await placed(core)
        status = await until(core, call, CallState.UP)
        assert (status.engine, status.trunk, status.audio, status.code) == ("pjsua2", "center", "pcma", "")
        assert phone.leg is not None and phone.leg.media.voice is not None
        (worker,) = workers() - before
        os.kill(worker, signal.SIGKILL)
        assert (await until(core, call, CallState.ENDED)).code == "sip-worker-died"
        again = await until(core, await placed(core), CallState.UP)
        assert again.engine == "pjsua2"
    assert not workers() - before, "they end with the gateway"
