"""Offer and answer of ciphers: SDES, DTLS, policies."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.wire.sdp import DtlsPeer, NotAcceptable, Sdp, SrtpPolicy
from tests.unit.wire.test_negotiation import AUDIO, OTHER, PRINT, audio, text, us


def test_sdes_keys_cross_and_stay() -> None:
    a = us(AUDIO, srtp="sdes")
    b = us(replace(AUDIO, host="198.51.100.9"), srtp="required", suites=("AEAD_AES_128_GCM",))
    a.answered(b.answer(a.offer()))
    ours, theirs = audio(a).keys, audio(b).keys
    assert ours is not None and theirs is not None and ours[0] == "AEAD_AES_128_GCM"
    assert (ours[1], ours[2]) == (theirs[3], theirs[4]) and (ours[3], ours[4]) == (theirs[1], theirs[2])
    assert (len(ours[1]), len(ours[2]), audio(a).profile, audio(a).secure) == (16, 12, "RTP/SAVP", "sdes")
    assert b"inline" not in repr(audio(a)).encode() and ours[1].hex() not in repr(audio(a))
    a.answered(b.answer(a.offer()))
    b.answered(a.answer(b.offer()))
    assert audio(a).keys == ours and audio(b).keys == theirs, "a re-offer does not re-key"


def test_crypto_lines_that_can_not_be_used_are_passed_over() -> None:
    good = b64encode(bytes(range(30))).decode()
    long = b64encode(bytes(46)).decode()
    lines = (
        "a=crypto:1 AES_192_CM_HMAC_SHA1_80 inline:" + b64encode(bytes(38)).decode(),
        f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{good}|2^20|1:4",
        f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{long}",
        f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{good} UNENCRYPTED_SRTP",
        f"a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{good};inline:{good}",
        "a=crypto:6 AES_CM_128_HMAC_SHA1_80 inline:%%%",
        f"a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{good}|2^31",
    )
    n = us(AUDIO)
    answer = Sdp.parse(n.answer(text("m=audio 6000 RTP/SAVP 0", *lines))).media[0]
    assert (answer.attribute("crypto") or "").startswith("7 AES_CM_128_HMAC_SHA1_80 inline:")
    keys = audio(n).keys
    assert keys is not None and keys[3:] == (bytes(range(16)), bytes(range(16, 30)))
    with pytest.raises(NotAcceptable, match="no common crypto suite"):
        us(AUDIO).answer(text("m=audio 6000 RTP/SAVP 0", *lines[:6]))


def test_policies_refuse_what_they_must() -> None:
    plain = text("m=audio 6000 RTP/AVP 0")
    key = b64encode(bytes(30)).decode()
    sdes = text("m=audio 6000 RTP/SAVP 0", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}")
    dtls = text("m=audio 6000 UDP/TLS/RTP/SAVP 0", f"a=fingerprint:sha-256 {OTHER.value}", "a=setup:actpass")
    takes: dict[SrtpPolicy, list[bool]] = {
        "off": [True, False, False], "optional": [True, True, True], "sdes": [False, True, False],
        "dtls": [False, False, True], "required": [False, True, True],
    }  # fmt: skip
    for policy, wanted in takes.items():
        for offer, taken in zip((plain, sdes, dtls), wanted, strict=True):
            n = us(AUDIO, srtp=policy, fingerprint=PRINT)
            if taken:
                n.answer(offer)
            else:
                with pytest.raises(NotAcceptable, match=r"SRTP|crypto") as caught:
                    n.answer(offer)
                assert caught.value.warning == 302


def test_opportunistic_keys_under_a_plain_profile_are_taken() -> None:
    key = b64encode(bytes(30)).decode()
    n = us(AUDIO, srtp="required")
    answer = Sdp.parse(n.answer(text("m=audio 6000 RTP/AVP 0", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}")))
    assert answer.media[0].proto == "RTP/AVP" and audio(n).secure == "sdes"


def test_an_answer_must_take_a_key_that_was_offered() -> None:
    key = b64encode(bytes(30)).decode()
    for line in ("a=ptime:20", f"a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:{key}"):
        n = us(AUDIO, srtp="sdes")
        n.offer()
        with pytest.raises(NotAcceptable, match="none of the keys"):
            n.answered(text("m=audio 6000 RTP/SAVP 0", line))
    n = us(AUDIO, srtp="sdes")
    n.offer()
    with pytest.raises(NotAcceptable, match="the answer says RTP/AVP"):
        n.answered(text("m=audio 6000 RTP/AVP 0"))


def test_dtls_roles_and_fingerprints() -> None:
    a = us(AUDIO, srtp="dtls", fingerprint=PRINT)
    b = us(replace(AUDIO, host="198.51.100.9"), fingerprint=OTHER)
    offer = Sdp.parse(a.offer()).media[0]
    assert (offer.proto, offer.setup) == ("UDP/TLS/RTP/SAVP", "actpass")
    a.rolled_back()
    a.answered(b.answer(a.offer()))
    assert audio(a).dtls == DtlsPeer("server", (OTHER,)) and audio(b).dtls == DtlsPeer("client", (PRINT,))
    b.answered(a.answer(b.offer()))
    assert audio(a).dtls == DtlsPeer("server", (OTHER,)), "roles stay over re-offers"
    assert audio(b).dtls == DtlsPeer("client", (PRINT,))
    with pytest.raises(LocalProtocolError):
        us(AUDIO, srtp="dtls")


def test_the_ciphered_of_two_alternatives_is_taken() -> None:
    key = b64encode(bytes(30)).decode()
    offer = text(
        "m=audio 6000 RTP/AVP 0", "m=audio 6004 RTP/SAVP 0", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"
    )
    n = us(AUDIO)
    assert [bool(m.port) for m in Sdp.parse(n.answer(offer)).media] == [False, True]
    n = us(AUDIO, srtp="off")
    assert [bool(m.port) for m in Sdp.parse(n.answer(offer)).media] == [True, False]
