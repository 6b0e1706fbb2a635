"""A phone's reports over HTTP: the adapter, the API's door and the core's own store, without a browser."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx

from adapters.phone import PhoneDoor
from adapters.phone.config import PhoneConfig
from gateway import codecs
from gateway.api.app import create_app
from gateway.api.mounts import Mounts
from gateway.base.clock import Clock
from gateway.base.metrics import Metrics
from gateway.config.root import Config
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.core.ulid import ulid
from gateway.model.principal import Principal, Role
from gateway.store.store import Store

OPERATOR = Principal("otto", Role.OPERATOR, "s")
KEY = "k" * 22


@asynccontextmanager
async def a_kit(place: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Core]]:
    secrets, config = Secrets(place), Config()
    plane = MediaPlane(codecs.Engine(), lambda: config.media.rtp_ports)
    core = Core(lambda: config, place, Store(place, secrets.audit_key()), secrets, plane, Clock())
    core.start()
    mounts, ready = Mounts(), asyncio.Event()
    context = SimpleNamespace(http=mounts, informants=core.informants, ready=ready.set)
    running = asyncio.create_task(PhoneDoor(PhoneConfig(), cast(Any, context)).run())
    app = create_app(core.services("0", Metrics(), cast(Any, SimpleNamespace())), mounts, state_dir=place)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("10.0.0.2", 40000))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        async with httpx.AsyncClient(transport=transport, base_url="https://kit1:8443") as client:
            yield client, core
    finally:
        running.cancel()
        await asyncio.wait([running])
        await core.quiesce()
        await core.close()


async def test_a_phones_day(tmp_path: Path) -> None:
    data = os.urandom(300_000)
    async with a_kit(tmp_path) as (client, core):
        made, secret = await core.informants.invitations.invite(OPERATOR, label="Wang", place="North dam")
        headers = {"Authorization": f"Bearer {secret}.{KEY}"}
        assert (await client.post("/phone/hello", headers=headers)).status_code == 401, "it has not joined"
        me = (await client.post("/phone/join", headers=headers, json={"name": "老王"})).json()
        assert (me["name"], me["place"], me["stream"]) == ("老王", "North dam", f"{me['device']}/ch1")
        assert (await client.post("/phone/hello", headers=headers)).json()["device"] == me["device"]

        url = f"/phone/reports/{ulid(1.79e9)}"
        told = {
            "kind": "photo", "taken_at": 1.79e9, "sent_at": 1.79e9, "media_type": "image/jpeg",
            "size": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        }  # fmt: skip
        assert (await client.put(url, headers=headers, json=told)).json() == {"received": 0, "complete": False}
        at = 0
        for _ in range(20):
            part = data[at : at + me["chunk"]]
            answer = await client.patch(url, headers={**headers, "Upload-Offset": str(at)}, content=part)
            at = answer.json()["received"]
            if answer.json()["complete"]:
                break
        assert at == len(data)
        # Sent again as a whole, since the last answer was lost: it is the same one.
        assert (await client.put(url, headers=headers, json=told)).json() == {"received": len(data), "complete": True}
        (report,) = await core.informants.recent(OPERATOR)
        assert (report.who, report.size) == ("老王", len(data))
        _, path = await core.informants.file(OPERATOR, report.id)
        assert await asyncio.to_thread(path.read_bytes) == data

        large = await client.patch(url, headers={**headers, "Upload-Offset": "0"}, content=bytes(me["chunk"] + 1))
        assert large.status_code == 413
        # It reads nothing: not the reports, not the directory, nobody's picture.
        for path_ in ("/api/v1/reports", "/api/v1/directory", "/api/v1/streams", "/api/v1/system", "/api/v1/auth/me"):
            assert (await client.get(path_, headers=headers)).status_code == 403, path_

        await core.informants.invitations.revoke(OPERATOR, made.id)
        assert (await client.put(url, headers=headers, json=told)).status_code == 401
        ended = (await client.post("/phone/join", headers=headers)).json()
        assert ended["code"] == "invitation-ended" and ended["cure"]["zh"]
    assert secret not in (tmp_path / "state.db").read_bytes().decode("latin-1"), "only its hash is kept"
