"""gateway/api/routes/meshes.py: now, the moments of the history, and one of them."""

from __future__ import annotations

import time
from typing import Any

import httpx

from gateway.core.meshes import Meshes
from gateway.core.services import Services
from gateway.model.mesh import MeshEdge, MeshNode, MeshSnapshot
from gateway.model.principal import Role


async def test_a_mesh_now_and_as_it_was(client: httpx.AsyncClient, bearer: Any, services: Services) -> None:
    viewer, meshes = bearer(Role.VIEWER), services.meshes
    assert isinstance(meshes, Meshes)
    assert (await client.get("/api/v1/meshes", headers=viewer)).json() == []
    with meshes.offer("ridge", "Ridge") as seat:
        nodes = (MeshNode("a", "Alpha", read=True), MeshNode("b"))
        seat.tell(MeshSnapshot("ridge", "Ridge", 1e9, nodes, (MeshEdge("a", "b", snr_db=12.0, quality=0.4),)))
        (told,) = (await client.get("/api/v1/meshes", headers=viewer)).json()
        assert told["edges"][0]["snr_db"] == 12.0 and [node["read"] for node in told["nodes"]] == [True, False]
        marks = (await client.get("/api/v1/meshes/ridge/marks?hours=1", headers=viewer)).json()
        (mark,) = marks
        assert mark == {"at": mark["at"], "nodes": 2, "edges": 1, "worst": 0.4}
        assert abs(mark["at"] - time.time()) < 60, "by the clock as it is now, whatever the snapshot was dated"
        then = (await client.get(f"/api/v1/meshes/ridge/at/{mark['at']}", headers=viewer)).json()
        assert {**then, "at": 1e9} == told
        early = await client.get("/api/v1/meshes/ridge/at/5", headers=viewer)
        assert (early.status_code, early.json()["code"]) == (404, "mesh-no-history")
    assert (await client.get("/api/v1/meshes/none/marks", headers=viewer)).status_code == 404
    assert (await client.get("/api/v1/meshes")).status_code == 401
