from __future__ import annotations

from adapters.gb28181.protocol.registrar import EXPIRY_GRACE_S, Life, Liveness, granted_expires


def test_three_silent_intervals_make_it_silent() -> None:
    live = Liveness(silence_s=180.0)
    assert live.registered(1000.0, 86400)
    assert not live.seen(1060.0)
    assert live.deadline == 1240.0
    assert not live.check(1239.9) and live.check(1240.0)
    assert live.life is Life.SILENT and not live.check(1300.0)


def test_any_sign_of_life_brings_it_back() -> None:
    live = Liveness(silence_s=180.0)
    assert live.seen(5.0), "a keepalive after our restart, without a new registration"
    live.check(500.0)
    assert live.seen(501.0)
    assert live.life is Life.ALIVE


def test_one_that_logged_off_stays_off_until_it_registers() -> None:
    live = Liveness(silence_s=180.0)
    live.registered(0.0, 3600)
    live.logged_out(10.0)
    assert not live.seen(11.0) and live.life is Life.LOGGED_OUT and live.deadline is None
    assert live.registered(20.0, 3600)


def test_a_registration_that_ran_out_shortens_patience_but_keeps_a_living_device() -> None:
    live = Liveness(silence_s=180.0)
    live.registered(0.0, 100)
    live.seen(150.0)
    assert live.deadline == 150.0 + 60.0
    live.seen(205.0)
    assert live.deadline == 265.0 and not live.check(100 + EXPIRY_GRACE_S + 1)


def test_a_longer_interval_of_its_own_is_learnt_and_an_outage_is_not() -> None:
    live = Liveness(silence_s=180.0)
    for now in (0.0, 300.0):
        live.seen(now)
        live.keepalive(now)
    assert live.patience_s == 180.0, "one gap may be an outage"
    live.seen(600.0)
    live.keepalive(600.0)
    assert live.patience_s == 900.0 and live.deadline == 1500.0
    live.keepalive(660.0)
    assert live.patience_s == 180.0
    live.keepalive(9000.0)
    live.keepalive(18000.0)
    assert live.patience_s == 1800.0, "bounded"


def test_expiry_is_granted_between_bounds() -> None:
    assert granted_expires(None, 86400) == 3600
    assert granted_expires(0, 86400) == 0 and granted_expires(-5, 86400) == 0
    assert granted_expires(30, 86400) == 60
    assert granted_expires(7200, 3600) == 3600
