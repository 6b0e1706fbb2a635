"""The adapter on the network: TLS, IPv6, silence towards strangers, the technician's faces, the doctor's questions."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.sip.adapter import SipGateway
from adapters.sip.adapter_tls import Pair, choose, ends_at, server_context
from adapters.sip.config import SipConfig, TlsConfig
from adapters.sip.guard import Offence
from gateway.base.errors import ConfigError, GatewayError, NotFound
from gateway.model.doctor import Grade
from gateway.net.sip import Listen, SipEndpoint
from gateway.net.sip.tls import client_context
from gateway.wire.sip import new_request
from tests.unit.sip.house import PASSWORD, House, Phone, config, house, phone
from tests.unit.sip.server import center
from tests.unit.sip.test_trunk import trunk


def certificate(folder: Path, name: str, *, ca: Pair | None = None, days: int = 2) -> Pair:
    """By `openssl`; self-signed unless `ca` signs it."""
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", str(days), "-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(made.certificate)]
    command += ["-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    if ca is not None:
        command += ["-CA", str(ca.certificate), "-CAkey", str(ca.key), "-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, check=True, capture_output=True)
    return made


class Raw:
    """One datagram socket, and everything that came back."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)

    def text(self, method: str, agent: str = "x") -> str:
        host, port = self.socket.getsockname()
        return (
            f"{method} sip:600@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{method}{agent}\r\n"
            f"From: <sip:x@x>;tag=1\r\nTo: <sip:600@127.0.0.1>\r\nCall-ID: {method}{agent}\r\nCSeq: 1 {method}\r\n"
            f"Contact: <sip:x@{host}:{port}>\r\nUser-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
        )

    def request(self, at: House, method: str, agent: str = "x") -> None:
        self.socket.sendto(self.text(method, agent).encode(), at.address())

    async def heard(self) -> bytes:
        """What came, b"" when the next thing that is answered shows that nothing did."""
        try:
            return self.socket.recv(65536)
        except BlockingIOError:
            return b""


async def spoken_with(at: House) -> None:
    """Somebody else got an answer: what came before was worked off."""
    async with phone(at, host="127.0.0.9") as one:
        assert (await one.endpoint.request(one.request("REGISTER"), one.hop, timeout=5)).status == 401


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE"])
async def test_strangers_hear_nothing_at_all(tmp_path: Path, method: str) -> None:
    async with house(tmp_path, {"networks": ["127.0.0.9/32"]}) as at:
        raw = Raw()
        raw.request(at, method)
        await spoken_with(at)
        assert await raw.heard() == b""
        raw.socket.close()


async def test_scanners_hear_nothing_and_are_banned_where_they_can_be_told(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        raw = Raw()
        raw.request(at, "OPTIONS", "friendly-scanner")
        await spoken_with(at)
        assert await raw.heard() == b"" and at.gateway.guard.bans == 0, "anybody can forge a datagram"
        reader, writer = await asyncio.open_connection(*at.address("tcp"))
        writer.write(raw.text("OPTIONS", "friendly-scanner").replace("UDP", "TCP").encode())
        await at.until(lambda: at.gateway.guard.bans == 1)
        raw.request(at, "INVITE", "a polite phone")
        await spoken_with(at)
        assert await raw.heard() == b""
        writer.close()
        assert await reader.read() == b""
        assert at.context.devices.knocks[0][1] == "sip-scanner"
        assert (await at.context.http.ask("DELETE", "/sip/bans/{source:path}", source="127.0.0.1")).status == 204
        with pytest.raises(NotFound):
            await at.context.http.ask("DELETE", "/sip/bans/{source:path}", source="127.0.0.1")
        raw.socket.close()


async def test_options_and_others_of_the_own_network(tmp_path: Path) -> None:
    async with house(tmp_path) as at, phone(at) as one:
        ask = one.endpoint.request
        assert (await ask(one.request("OPTIONS"), one.hop)).status == 403
        await one.register()
        assert (await ask(one.request("OPTIONS"), one.hop)).status == 200
        assert (await ask(one.request("SUBSCRIBE", headers=[("Event", "mwi")]), one.hop)).status == 489
        assert (await ask(one.request("MESSAGE"), one.hop)).status == 405


# — TLS, IPv6 —


async def test_phones_register_over_tls_with_a_certificate_made_at_the_first_start(tmp_path: Path) -> None:
    async with house(tmp_path, {"listen": ["tls:127.0.0.1:0"]}) as at:
        made = Pair(tmp_path / "sip.crt", tmp_path / "sip.key")
        assert made.key.stat().st_mode & 0o777 == 0o600
        trust = client_context(str(made.certificate))
        async with SipEndpoint([], product="Phone/1", tls_client=trust) as endpoint:
            hop = await endpoint.hop_to("tls", at.address("tls"), server_name="127.0.0.1")
            one = Phone(endpoint, hop, "8001", PASSWORD)
            assert (await one.register()).status == 200
            (binding,) = at.gateway.location.of("8001", at.gateway.clock.monotonic())
            assert binding.hop.transport == "tls"


async def test_tls_1_2_and_1_3_and_nothing_older(tmp_path: Path) -> None:
    async with house(tmp_path, {"listen": ["tls:127.0.0.1:0"]}) as at:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client_context(verify=False)
            context.minimum_version = context.maximum_version = version
            _, writer = await asyncio.open_connection(*at.address("tls"), ssl=context)
            assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
            writer.close()
        made = server_context(Pair(tmp_path / "sip.crt", tmp_path / "sip.key"), None)
        assert made.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_trunk_is_known_by_the_name_in_its_certificate(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "authority")
    right, wrong = (certificate(tmp_path, name, ca=authority) for name in ("sbc.center.test", "other.test"))
    given = trunk("tls:127.0.0.1:9", mode="static", accounts=[], numbers=["600"], peer_name="sbc.center.test")
    given |= {"listen": ["tls:127.0.0.1:0"], "tls": {"client_ca": str(authority.certificate)}}
    async with house(tmp_path, given) as at:
        for pair, status in ((right, 486), (wrong, 401), (None, 401)):
            context = client_context(verify=False)
            if pair is not None:
                context.load_cert_chain(pair.certificate, pair.key)
            async with SipEndpoint([], tls_client=context) as endpoint:
                hop = await endpoint.hop_to("tls", at.address("tls"))
                request = new_request("INVITE", "sip:600@127.0.0.1", from_="sip:1@x", hop=hop, contact_user="1")
                call = await endpoint.invite(request, hop)
                with pytest.raises(GatewayError) as raised:
                    await call.answered(5)
                assert getattr(raised.value, "status", 0) == status, pair


async def test_a_phone_by_ipv6(tmp_path: Path) -> None:
    async with house(tmp_path, {"listen": ["udp:[::1]:0", "tcp:[::1]:0"]}) as at:
        async with SipEndpoint([Listen("udp", "::1", 0), Listen("tcp", "::1", 0)]) as endpoint:
            for transport in ("udp", "tcp"):
                hop = await endpoint.hop_to(cast(Any, transport), at.address(transport))
                one = Phone(endpoint, hop, "8001", PASSWORD)
                assert (await one.register()).status == 200
        assert len(at.gateway.location.of("8001", at.gateway.clock.monotonic())) >= 1


def test_which_certificate_is_shown(tmp_path: Path) -> None:
    own = certificate(tmp_path, "own")
    named = TlsConfig(certificate=own.certificate, key=own.key)
    assert choose(named, tmp_path, ["10.0.0.1"], None) == own
    assert choose(TlsConfig(), tmp_path, ["10.0.0.1"], own) == own, "the kit's own"
    made = choose(TlsConfig(), tmp_path, ["10.0.0.1"], None)
    stamp = made.stamp()
    assert choose(TlsConfig(), tmp_path, ["10.0.0.1"], None).stamp() == stamp, "it is kept"
    assert choose(TlsConfig(), tmp_path, ["10.0.0.1", "10.0.0.2"], None).stamp() != stamp, "until an address comes"
    assert ends_at(made.certificate) > datetime.now(UTC) + timedelta(days=300)
    (tmp_path / "bad.crt").write_text("nonsense")
    for broken in (
        Pair(tmp_path / "bad.crt", own.key),
        Pair(tmp_path / "none", own.key),
        Pair(own.certificate, made.key),
    ):
        with pytest.raises(ConfigError) as raised:
            server_context(broken, None)
        assert raised.value.code == "certificate-bad"


# — the technician's —


async def test_status_tells_trunks_phones_and_bans_but_no_secret(tmp_path: Path) -> None:
    async with center() as server, house(tmp_path, trunk(server)) as at, phone(at, host="127.0.0.2") as one:
        await one.register()
        await at.until(lambda: at.trunk().status.state == "up")
        answer = await at.context.http.ask("GET", "/sip/status")
        told = json.loads(answer.body)
        assert told["trunks"][0]["accounts"][0]["state"] == "registered" and told["phones"][0]["user"] == "8001"
        listed = (await at.context.http.ask("GET", "/sip/users")).body.decode()
        assert [u["name"] for u in json.loads(listed)] == ["8001", "8002"]
        for secret in (PASSWORD, "center password", "ha1"):
            assert secret not in answer.body.decode() + listed


async def test_a_running_adapter_finds_what_is_wrong_with_it(tmp_path: Path) -> None:
    async with center("another password") as server, house(tmp_path, trunk(server)) as at:
        await at.until(lambda: at.trunk().status.code == "trunk-password")
        at.gateway.guard.offence("10.9.9.9", Offence.SCANNER, at.gateway.clock.monotonic())
        found = [(one.check, one.grade, one.code) for one in at.gateway.findings()]
        assert found == [
            ("sip trunk center", Grade.FAIL, "trunk-password"),
            ("sip bans", Grade.WARN, "sip-scanner"),
        ]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name": "x"}', b'{"name": "anna", "password": "p", "extra": 1}'])
async def test_users_that_are_not_well_formed(tmp_path: Path, body: bytes) -> None:
    async with house(tmp_path) as at:
        with pytest.raises(GatewayError) as raised:
            await at.context.http.ask("POST", "/sip/users", body)
        assert raised.value.code == "bad-request" and "right horse" not in str(raised.value)


async def test_a_port_that_is_taken_is_a_configuration_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as raised:
            async with house(tmp_path, {"listen": [f"udp:127.0.0.1:{port}"]}):
                pass
        assert raised.value.code == "port-in-use"
        found = await SipGateway.checks(config(listen=[f"udp:127.0.0.1:{port}"]))
        assert [(one.grade, one.code) for one in found if "port" in one.check] == [(Grade.FAIL, "port-in-use")]


async def test_the_doctor_asks_trunks_users_and_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGATE_STATE_DIR", str(tmp_path))
    nothing = await SipGateway.checks(SipConfig(listen=[]))
    assert [(one.grade, one.code) for one in nothing] == [(Grade.OFF, "sip-no-users")]
    old = certificate(tmp_path, "old", days=2)
    async with center() as server:
        given = trunk(server, f"tcp:127.0.0.1:{server.port}", "udp:nowhere.invalid")
        made = config(**given, tls={"certificate": str(old.certificate), "key": str(old.key)})
        found = {(one.check, one.grade, one.code) for one in await SipGateway.checks(made)}
        assert ("sip users", Grade.OK, "") in found
        assert ("sip tls certificate", Grade.WARN, "certificate-old") in found
        assert ("sip trunk center", Grade.OK, "") in found
        assert ("sip trunk center", Grade.FAIL, "trunk-silent") in found
        assert ("sip trunk center", Grade.FAIL, "name-unresolved") in found


async def test_a_trunk_whose_engine_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with center() as server:
        given = trunk(server, engine="pjsua2")
        for there, told in ((False, [("sip engine pjsua2", Grade.FAIL, "not-installed")]), (True, [])):
            monkeypatch.setattr("adapters.sip.pjsua2.process.installed", lambda there=there: there)
            found = await SipGateway.checks(config(**given))
            assert [(f.check, f.grade, f.code) for f in found if "engine" in f.check] == told
            async with house(tmp_path, given) as at:
                running = at.gateway.findings()
            assert [(f.check, f.grade, f.code) for f in running if "engine" in f.check] == told
