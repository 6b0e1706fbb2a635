"""The OpenAPI description is made from the models and names what each route gives."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.core.facts import AdapterStatus
from gateway.model.doctor import Finding, Grade
from gateway.model.principal import Role


async def test_the_description_is_typed(client: httpx.AsyncClient, bearer: Any) -> None:
    told = (await client.get("/api/v1/openapi.json", headers=bearer(Role.VIEWER))).json()
    schemas = told["components"]["schemas"]
    for name in ("Device", "StreamStatus", "Alarm", "Position", "CommandResult", "Problem", "Order", "AuditVerdict"):
        assert name in schemas
    assert set(schemas["StreamStatus"]["properties"]) >= {"state", "code", "figures", "tracks", "retry_in_s"}
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert operation["responses"], (method, path)
            if path.startswith("/api/") and not path.endswith(
                ("/login", "/code", "ca.crt", "/export", "/file", ".jpg", ".pmtiles", "/api/{path}")
            ):
                assert "401" in operation["responses"], (method, path)
                good = next(code for code in operation["responses"] if code.startswith("2"))
                schema = operation["responses"][good].get("content", {}).get("application/json", {}).get("schema")
                assert schema or good == "204", (method, path)


async def test_doctor_and_health_speak_of_the_parts(client: httpx.AsyncClient, bearer: Any, services: Any) -> None:
    headers = bearer(Role.TECHNICIAN)
    found = {one["check"]: one for one in (await client.get("/api/v1/system/doctor", headers=headers)).json()}
    assert found["adapter gb28181"]["grade"] == "fail"
    assert found["adapter gb28181"]["code"] == "port-in-use"
    assert found["sip trunk center"]["code"] == "trunk-silent", "what a running adapter says of itself"
    services.daemon.findings = lambda: [Finding("source gate/main", Grade.OK, "idle")]
    path = "/api/v1/system/doctor?ask=true"
    asked = {one["check"]: one for one in (await client.get(path, headers=headers)).json()}
    assert asked["source gate/main"]["code"] == "rtsp-not-found", "what nobody watches is asked, not called good"
    assert {"clock", "disk", "addresses", "processor"} <= set(found)
    services.daemon.adapters = lambda: [
        AdapterStatus("rtsp", "rtsp", "running", "port-in-use", "adapter.rtsp.listen: taken"),
        AdapterStatus("rtmp", "rtmp", "running"),
    ]
    lacking = {one["check"]: one for one in (await client.get("/api/v1/system/doctor", headers=headers)).json()}
    assert (lacking["adapter rtsp"]["grade"], lacking["adapter rtsp"]["code"]) == ("fail", "port-in-use")
    assert lacking["adapter rtsp"]["measured"] == "running adapter.rtsp.listen: taken"
    assert (lacking["adapter rtmp"]["grade"], lacking["adapter rtmp"]["code"]) == ("ok", "")
    services.daemon.ok = False
    assert (await client.get("/healthz")).status_code == 503
    detail = (await client.get("/api/v1/system/health", headers=headers)).json()
    assert detail["health"]["parts"]["store"] == "disk-full"
    assert (await client.get("/healthz")).json() == {"ok": False}  # says no more to strangers
