from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.gb28181.protocol.alarms import KINDS, LIVE_OFFERED, alarm_of, live_offered, wants_reset
from adapters.gb28181.protocol.clock import beijing_to_unix
from adapters.gb28181.protocol.manscdp import AlarmNotice, Head, VideoUpload
from adapters.jt808.protocol.location import KINDS as VEHICLES
from adapters.onvif.protocol.events import KINDS as CAMERAS
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId

BALL = "34020000001320000001"
TIME = "2026-11-23T12:00:00"
NOW = beijing_to_unix(TIME, 4e9) + 3


def notice(**more: object) -> AlarmNotice:
    values: dict[str, object] = {"priority": 1, "method": 5, "time": TIME, "type": 2, **more}
    return AlarmNotice(Head("Notify", "Alarm", 41, BALL), **values)  # type: ignore[arg-type]


def made(n: AlarmNotice, call_id: str = "a@b") -> Alarm:
    return alarm_of(n, DeviceId("kit1/ball-1"), "ch1", registered_id=BALL, call_id=call_id, received_at=NOW)


@pytest.mark.parametrize(
    ("method", "kind", "words"),
    [
        (5, 2, ("motion", "video")),
        (5, 6, ("intrusion", "video")),
        (0, 6, ("intrusion", "video")),
        (0, 0, ("other", "other")),
        (2, 3, ("disk-full", "device")),
        (6, 1, ("disk-fault", "fault")),
        (6, 0, ("fault", "fault")),
        (5, 99, ("other", "video")),
        (77, 1, ("other", "other")),
        (4, 0, ("gps", "gps")),
    ],
)
def test_kinds(method: int, kind: int, words: tuple[str, str]) -> None:
    alarm = made(notice(method=method, type=kind))
    assert (alarm.kind, alarm.method) == words


def test_priorities() -> None:
    severities = [made(notice(priority=p)).severity for p in (1, 2, 3, 4)]
    assert severities == list(AlarmSeverity)
    assert made(notice(priority=0)).severity is AlarmSeverity.MAJOR


def test_the_same_report_again_has_the_same_key_and_another_has_not() -> None:
    assert made(notice()).key == made(notice(), call_id="other").key
    assert made(notice()).key != made(notice(time="2026-11-23T12:00:01")).key
    assert made(notice(time="")).key != made(notice(time=""), call_id="other").key


def test_time_of_the_device_counts_unless_it_is_ahead() -> None:
    assert made(notice()).raised_at == NOW - 3
    assert made(notice(time="2036-01-01T00:00:00")).raised_at == NOW
    assert made(notice(time="yesterday")).raised_at == NOW


def test_one_key_report_is_a_notice() -> None:
    upload = VideoUpload(Head("Notify", "VideoUploadNotify", 5, BALL), TIME, 104.0, 30.0)
    alarm = live_offered(upload, DeviceId("kit1/ball-1"), "ch1", registered_id=BALL, call_id="x", received_at=NOW)
    assert alarm.kind == "live-offered" and alarm.severity is AlarmSeverity.WARNING


def test_only_device_alarms_are_reset() -> None:
    assert wants_reset(notice(method=2)) and not wants_reset(notice(method=5))


def test_every_kind_has_words_in_the_console() -> None:
    """Chinese and English, told apart; and the console has no words for kinds that nobody gives."""
    source = (Path(__file__).parents[3] / "console/src/i18n.ts").read_text(encoding="utf-8")
    found = re.findall(r'^  "kind\.([a-z-]+)": \{ en: "([^"]+)", zh: "([^"]+)" \},$', source, re.M)
    words = {kind: (en, zh) for kind, en, zh in found}
    others = {"emergency-call"}  # that one is the talk groups'
    assert words.keys() == KINDS | VEHICLES | CAMERAS | others
    assert all(en.isascii() and not zh.isascii() for en, zh in words.values())


def test_no_kind_is_outside_the_list() -> None:
    notices = (notice(method=method, type=kind) for method in range(9) for kind in range(20))
    assert {made(n).kind for n in notices} | {LIVE_OFFERED} == KINDS
