"""Digest, both sides, against the RFCs' own examples and devices' habits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.wire.digest import (
    MAX_NONCES,
    Authorization,
    Challenge,
    DigestClient,
    DigestServer,
    Verdict,
    expected_response,
    make_ha1,
    parse_auth,
    supported_algorithms,
)

URI = "sip:34020000002000000001@3402000000"


def test_rfc_2617_example() -> None:
    auth = Authorization.parse(
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    ha1 = make_ha1("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert expected_response(auth, "GET", ha1) == auth.response


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_example(algorithm: str, response: str) -> None:
    auth = Authorization(
        "Mufasa",
        "http-auth@example.org",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "/dir/index.html",
        response,
        algorithm,
        "auth",
        "00000001",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert expected_response(auth, "GET", make_ha1("Mufasa", auth.realm, "Circle of Life", algorithm)) == response


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", *supported_algorithms()])
@pytest.mark.parametrize("qop", [(), ("auth",), ("auth", "auth-int"), ("auth-int",)])
def test_both_sides_agree(algorithm: str, qop: tuple[str, ...]) -> None:
    server = DigestServer("3402000000", algorithms=[algorithm], qop=qop)
    client = DigestClient("34020000001320000001", "kit-password")
    challenge = client.choose([str(c) for c in server.challenges(100.0)])
    assert challenge is not None
    auth = Authorization.parse(str(client.answer(challenge, "REGISTER", URI, b"body")))
    assert server.check(auth, "REGISTER", 101.0, password="kit-password", body=b"body") is Verdict.OK
    again = Authorization.parse(str(client.answer(challenge, "REGISTER", URI, b"body")))
    assert server.check(again, "REGISTER", 102.0, password="wrong", body=b"body") is Verdict.WRONG
    assert server.check(again, "MESSAGE", 102.0, password="kit-password", body=b"body") is Verdict.WRONG
    assert server.check(again, "REGISTER", 102.0, password="kit-password", body=b"body") is Verdict.OK
    if "auth-int" in qop and "auth" not in qop:
        third = client.answer(challenge, "REGISTER", URI, b"body")
        assert server.check(third, "REGISTER", 102.0, password="kit-password", body=b"other") is Verdict.WRONG


def exchange(**changes: str | None) -> tuple[DigestServer, Authorization]:
    server = DigestServer("r")
    (challenge,) = server.challenges(100.0)
    bare = replace(DigestClient("u", "p").answer(challenge, "REGISTER", URI), response="", **changes)  # type: ignore[arg-type]
    response = expected_response(bare, "REGISTER", make_ha1("u", bare.realm, "p"))
    return server, replace(bare, response=response)


@pytest.mark.parametrize(
    "changes",
    [
        {"nc": "0000000A"},
        {"nc": "0000000a"},
        {"nc": "1"},
        {"qop": None, "nc": None, "cnonce": None},
        {"uri": "sip:someone-else@elsewhere"},
        {"qop": "AUTH"},
    ],
)
def test_literal_strings_go_into_the_hash(changes: dict[str, str | None]) -> None:
    """Upper or lower case nc, no qop to a qop challenge, a uri that is not the Request-URI: devices do all of it."""
    server, auth = exchange(**changes)
    assert server.check(Authorization.parse(str(auth)), "REGISTER", 100.5, password="p") is Verdict.OK


def test_nonces_age_and_are_ours() -> None:
    server, auth = exchange()
    assert server.check(auth, "REGISTER", 1000.0, password="p") is Verdict.STALE
    assert server.check(auth, "REGISTER", 50.0, password="p") is Verdict.STALE, "from the future: a clock that jumped"
    assert DigestServer("r").check(auth, "REGISTER", 101.0, password="p") is Verdict.STALE, "another kit's secret"
    assert DigestServer("r").check(auth, "REGISTER", 101.0, password="q") is Verdict.WRONG


def test_realm_that_is_not_ours_is_wrong() -> None:
    server, auth = exchange(realm="theirs")
    assert server.check(auth, "REGISTER", 101.0, password="p") is Verdict.WRONG


def test_replay_is_seen() -> None:
    server, auth = exchange()
    assert server.check(auth, "REGISTER", 101.0, password="p") is Verdict.OK
    assert server.check(auth, "REGISTER", 101.0, password="p") is Verdict.REPLAY


def test_only_right_passwords_take_room_and_room_is_bounded() -> None:
    server = DigestServer("r")
    for n in range(MAX_NONCES + 10):
        (challenge,) = server.challenges(100.0)
        auth = DigestClient("u", "p").answer(challenge, "REGISTER", URI)
        server.check(auth, "REGISTER", 100.0, password="p" if n % 2 else "wrong")
    assert len(server._counts) <= MAX_NONCES // 2 + 10


def test_unknown_name_is_wrong_and_ha1_serves_as_well() -> None:
    server, auth = exchange()
    assert server.check(auth, "REGISTER", 101.0) is Verdict.WRONG
    assert server.check(auth, "REGISTER", 101.0, ha1=make_ha1("u", "r", "p")) is Verdict.OK


@pytest.mark.parametrize(
    "value",
    [
        "Basic dTpw",
        "Digest",
        'Digest username="u"',
        'Digest username="u, realm=r',
        'Digest username="u", realm="r", nonce="n", uri="x", response="y", qop=auth',
        "Digest nonsense",
    ],
)
def test_malformed_authorization(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Authorization.parse(value)


def test_algorithm_that_was_not_offered_or_is_not_known() -> None:
    server, auth = exchange()
    for algorithm in ("SHA-256", "CRC32"):
        with pytest.raises(RemoteProtocolError):
            server.check(replace(auth, algorithm=algorithm), "REGISTER", 101.0, password="p")
    with pytest.raises(RemoteProtocolError):
        server.check(
            replace(
                auth, nc="zz", response=expected_response(replace(auth, nc="zz"), "REGISTER", make_ha1("u", "r", "p"))
            ),
            "REGISTER",
            101.0,
            password="p",
        )


def test_client_takes_the_first_it_can_and_counts_up() -> None:
    client = DigestClient("u", "p")
    offers = [
        'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
        'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"',
    ]
    challenge = client.choose(offers)
    assert challenge is not None and challenge.algorithm == "SHA-256"
    first, second = client.answer(challenge, "REGISTER", URI), client.again("REGISTER", URI)
    assert second is not None and (first.nc, second.nc) == ("00000001", "00000002") and first.cnonce == second.cnonce
    assert client.choose(["Basic x"]) is None and DigestClient("u", "p").again("REGISTER", URI) is None


def test_challenge_reads_back() -> None:
    challenge = Challenge('a "b"', "n\\o", "SHA-256", ("auth", "auth-int"), "op", True)
    assert Challenge.parse(str(challenge)) == challenge
    assert parse_auth('Digest a="1,2" , B=3')["b"] == "3"


def test_no_secret_in_a_repr() -> None:
    _, auth = exchange()
    assert auth.response not in repr(auth)
