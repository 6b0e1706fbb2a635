from __future__ import annotations

import pytest

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.protocol.admission import Admission, Refusal, Welcome
from gateway.base.clock import Clock
from gateway.wire.digest import NONCE_LIFETIME_S, Challenge, DigestClient
from gateway.wire.sip import Headers, SipRequest
from tests.unit.gb28181.fakes import FakeDevices
from tests.unit.gb28181.scripted import BALL, DOMAIN, PLATFORM

URI = f"sip:{PLATFORM}@{DOMAIN}"


class Door:
    def __init__(self, **settings: object) -> None:
        self.now = 1000.0
        self.devices = FakeDevices()
        config = Gb28181Config(**settings)  # type: ignore[arg-type]
        self.admission = Admission(config, self.devices, Clock(lambda: self.now, lambda: self.now))

    def judge(self, *headers: tuple[str, str], user: str = BALL) -> Refusal | Welcome:
        named = [("From", f"<sip:{user}@{DOMAIN}>;tag=1"), ("To", f"<sip:{user}@{DOMAIN}>"), ("Call-ID", "c")]
        return self.admission.judge(SipRequest("REGISTER", URI, Headers([*named, *headers])), "10.0.0.9:5060")

    def challenge(self) -> Challenge:
        refused = self.judge()
        assert isinstance(refused, Refusal) and refused.status == 401
        return Challenge.parse(refused.challenges[0])

    def answer(self, client: DigestClient, challenge: Challenge, *headers: tuple[str, str]) -> Refusal | Welcome:
        return self.judge(("Authorization", str(client.answer(challenge, "REGISTER", URI))), *headers)


def test_the_right_password_is_welcome() -> None:
    door = Door()
    door.devices.admit(BALL)
    welcome = door.answer(DigestClient(BALL, "secret"), door.challenge(), ("Expires", "7200"), ("X-GB-Ver", "2.0"))
    assert isinstance(welcome, Welcome)
    assert (welcome.expires_s, welcome.version, welcome.call_id) == (7200, "2.0", "c")


def test_expires_in_the_contact_and_none_at_all() -> None:
    door = Door()
    door.devices.admit(BALL)
    client = DigestClient(BALL, "secret")
    inside = door.answer(client, door.challenge(), ("Contact", "<sip:1@10.0.0.9>;expires=0"))
    assert isinstance(inside, Welcome) and inside.expires_s == 0
    none = door.answer(client, door.challenge())
    assert isinstance(none, Welcome) and none.expires_s == 3600


def test_an_old_nonce_and_one_used_before_are_challenged_anew() -> None:
    """Devices use a nonce for days, with the same count; after our restart it is not even ours."""
    door = Door()
    door.devices.admit(BALL)
    challenge = door.challenge()
    written = str(DigestClient(BALL, "secret").answer(challenge, "REGISTER", URI))
    assert isinstance(door.judge(("Authorization", written)), Welcome)
    again = door.judge(("Authorization", written))
    assert isinstance(again, Refusal) and again.status == 401 and "stale=true" in again.challenges[0]
    challenge = door.challenge()
    door.now += NONCE_LIFETIME_S + 1
    late = door.answer(DigestClient(BALL, "secret"), challenge)
    assert isinstance(late, Refusal) and "stale=true" in late.challenges[0]
    assert door.devices.knocks == []


@pytest.mark.parametrize("written", ["Digest", "Basic eDp5", "Digest username=x", "", "Digest " + "a=b," * 500])
def test_an_answer_that_can_not_be_read(written: str) -> None:
    door = Door()
    door.devices.admit(BALL)
    refused = door.judge(("Authorization", written))
    assert isinstance(refused, Refusal) and refused.status == 401 and refused.challenges


def test_the_name_must_be_the_one_that_registers() -> None:
    door = Door()
    door.devices.admit(BALL)
    refused = door.answer(DigestClient("34020000001320000002", "secret"), door.challenge())
    assert refused == Refusal(403, "Wrong password")
    assert door.devices.knocks == [(BALL, "wrong-password")]


@pytest.mark.parametrize(("status", "challenged"), [(403, False), (404, False), (401, True)])
def test_strangers_get_the_status_that_is_set(status: int, challenged: bool) -> None:
    door = Door(refuse_status=status)
    refused = door.judge()
    assert isinstance(refused, Refusal) and refused.status == status and bool(refused.challenges) is challenged
    assert door.devices.knocks == [(BALL, "unknown-device")]


def test_requests_without_a_name() -> None:
    door = Door()
    broken = door.admission.judge(SipRequest("REGISTER", URI, Headers([("To", "nonsense")])), "10.0.0.9:1")
    assert isinstance(broken, Refusal) and broken.status == 400
    assert door.devices.knocks == []
