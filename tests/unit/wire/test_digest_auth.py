"""Digest on messages: several challenges at once, nonces used again, replays, and what a registrar answers."""

from __future__ import annotations

import pytest

from gateway.wire.digest import Authorization, DigestClient, DigestServer, Verdict, make_ha1
from gateway.wire.digest_auth import Judged, authenticate, authorise, preauthorised
from gateway.wire.sip import SipRequest, new_request, respond

USERS = {"8001": "secret"}
KIT, PROXY = DigestServer("kit", algorithms=("SHA-256", "MD5")), DigestServer("proxy")


def asked(method: str = "REGISTER") -> SipRequest:
    return new_request(method, "sip:kit", from_="sip:8001@kit")


def ha1_of(realm: str):  # type: ignore[no-untyped-def]
    return lambda user, algorithm: make_ha1(user, realm, USERS[user], algorithm) if user in USERS else None


def judge(request: SipRequest, now: float = 1.0, server: DigestServer = KIT, *, proxy: bool = False) -> Judged:
    return authenticate(request, server, now, ha1_of(server.realm), proxy=proxy)


def answered(client: DigestClient, request: SipRequest, *judged: Judged) -> SipRequest | None:
    lines = [line for one in judged for line in one.headers]
    return authorise(client, request, respond(request, judged[0].status, headers=lines))


def test_a_challenge_is_answered_and_the_best_algorithm_taken() -> None:
    client = DigestClient("8001", "secret")
    first = judge(asked())
    assert (first.ok, first.status, first.verdict, first.username) == (False, 401, None, "")
    again = answered(client, asked(), first)
    assert again is not None and again.cseq.number == 2
    assert Authorization.parse(again.headers.get("Authorization") or "").algorithm == "SHA-256"
    judged = judge(again)
    assert judged == Judged(True, "8001", Verdict.OK, 200)


def test_401_and_407_of_two_realms_are_answered_together_and_one_after_the_other() -> None:
    for together in (True, False):
        client = DigestClient("8001", "secret")
        request = asked("INVITE")
        if together:
            once = answered(client, request, judge(request, server=PROXY, proxy=True), judge(request))
        else:
            half = answered(client, request, judge(request, server=PROXY, proxy=True))
            assert half is not None and half.headers.get("Authorization") is None
            once = answered(client, half, judge(half))
        assert once is not None
        assert judge(once).ok and judge(once, server=PROXY, proxy=True).ok, "the answer to the other realm is kept"


def test_a_nonce_is_used_again_with_a_higher_count() -> None:
    client = DigestClient("8001", "secret")
    assert "Authorization" not in preauthorised(client, asked()).headers, "nothing is held yet"
    again = answered(client, asked(), judge(asked()))
    assert again is not None and judge(again).ok
    for count in (2, 3):
        unasked = preauthorised(client, asked())
        auth = Authorization.parse(unasked.headers.get("Authorization") or "")
        assert auth.nc == f"{count:08x}" and judge(unasked).ok


def test_a_replay_and_an_old_nonce_are_challenged_as_stale_and_answered_anew() -> None:
    client = DigestClient("8001", "secret")
    good = answered(client, asked(), judge(asked()))
    assert good is not None and judge(good).ok
    replay = judge(good)
    assert replay.verdict is Verdict.REPLAY and "stale=true" in replay.headers[0][1]
    old = judge(good, now=400.0)
    assert old.verdict is Verdict.STALE and "stale=true" in old.headers[0][1]
    fresh = answered(client, good, old)
    assert fresh is not None and authenticate(fresh, KIT, 400.0, ha1_of("kit")).ok


def test_a_wrong_password_is_not_tried_twice() -> None:
    client = DigestClient("8001", "guess")
    once = answered(client, asked(), judge(asked()))
    assert once is not None
    judged = judge(once)
    assert (judged.ok, judged.verdict, judged.username) == (False, Verdict.WRONG, "8001")
    assert "stale" not in judged.headers[0][1] and answered(client, once, judged) is None


def test_a_nonce_that_ran_out_unsaid_after_use_is_answered_once_more() -> None:
    client = DigestClient("8001", "secret")
    assert answered(client, asked(), judge(asked())) is not None
    reused = preauthorised(client, asked())
    assert answered(client, reused, judge(asked(), now=2.0)) is not None


@pytest.mark.parametrize("name", ["8001", "nobody"])
def test_guesses_look_alike_whether_the_name_exists_or_not(name: str) -> None:
    guess = answered(DigestClient(name, "guess"), asked(), judge(asked()))
    assert guess is not None
    judged = judge(guess)
    assert judged.verdict is Verdict.WRONG and judged.status == 401


def test_credentials_without_a_count_and_broken_ones_are_challenged() -> None:
    bare = DigestServer("kit", qop=(), secret=b"x" * 32)
    counted = DigestServer("kit", secret=b"x" * 32)
    client = DigestClient("8001", "secret")
    request = asked()
    without = authorise(
        client, request, respond(request, 401, headers=[("WWW-Authenticate", str(bare.challenges(1.0)[0]))])
    )
    assert without is not None and judge(without, server=counted).verdict is Verdict.STALE
    fields = 'username="8001", realm="kit", nonce="n", uri="x", response="y"'
    for value in (
        "Basic x",
        "Digest",
        'Digest username="8001"',
        f'Digest {fields}, algorithm=ROT13, qop=auth, nc=zz, cnonce="c"',
        f'Digest {fields}, qop=auth, nc=zz, cnonce="c"',
    ):
        judged = judge(request.with_headers(request.headers.add("Authorization", value)))
        assert not judged.ok and judged.status == 401


def test_nothing_to_answer() -> None:
    client = DigestClient("8001", "secret")
    request = asked()
    for status, value in (
        (403, str(KIT.challenges(1.0)[0])),
        (401, "Basic realm=x"),
        (401, 'Digest realm="x", nonce="n", algorithm=ROT13'),
    ):
        assert authorise(client, request, respond(request, status, headers=[("WWW-Authenticate", value)])) is None
