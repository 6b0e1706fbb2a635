"""Centers and the brokers where a kit meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.mqtt.address import Broker
from adapters.mqtt.company import NOTHING, groups, narrowest
from adapters.mqtt.enrol import BROKERS
from gateway.base.authority import ClientFiles, client_files
from gateway.model.pairing import PairedCenter


def a_center(name: str, scope: str = "") -> PairedCenter:
    return PairedCenter(name, b"c" * 32, hosts=(f"{name}.example",), scope=scope)


def files(folder: Path, *centers: str, **told: list[str]) -> dict[str, ClientFiles]:
    kept = {name: client_files(folder, name) for name in centers}
    for name, brokers in told.items():
        kept[name].folder.mkdir(parents=True)
        (kept[name].folder / BROKERS).write_text(json.dumps(brokers))
        for part in (kept[name].ca, kept[name].certificate, kept[name].key):
            part.touch()
    return kept


def test_each_center_with_a_broker_of_its_own_is_met_there(tmp_path: Path) -> None:
    kept = files(tmp_path, "city", "county", county=["mqtts://10.0.0.2:8883"])
    city, county = groups([a_center("city", "kit7/a"), a_center("county")], kept, [], ["province"])
    assert (city.brokers, city.centers) == ((Broker("tls", "city.example", 8883),), ("city", "province"))
    assert (county.brokers, county.centers) == ((Broker("tls", "10.0.0.2", 8883),), ("county",))
    assert (city.scope, city.files, county.scope, county.files) == ("kit7/a", None, "", kept["county"])


def test_centers_that_share_brokers_share_a_session_and_see_what_all_may(tmp_path: Path) -> None:
    one, two, three = "mqtts://mq1:8883", "mqtts://mq2:8883", "mqtts://mq3:8883"
    kept = files(tmp_path, "a", "b", "c", "d", a=[one], b=[three], c=[two, one], d=[two, three])
    centers = [a_center("a", "kit7/x"), a_center("b"), a_center("c", "kit7/x/ch1"), a_center("d")]
    (met,) = groups(centers, kept, [], [])
    assert sorted(met.centers) == ["a", "b", "c", "d"] and len(met.brokers) == 3 and met.scope == "kit7/x/ch1"


def test_brokers_of_the_configuration_are_for_all(tmp_path: Path) -> None:
    kept = files(tmp_path, "a", "b", b=["mqtts://elsewhere:8883"])
    mine = [Broker("tcp", "mq", 1883)]
    (met,) = groups([a_center("a"), a_center("b")], kept, mine, ["province"])
    assert (met.brokers, met.centers, met.files) == (tuple(mine), ("a", "b", "province"), kept["b"])
    (alone,) = groups([], {}, mine, [])
    assert alone.centers == ("",), "whichever answers"
    assert groups([], {}, [], ["province"]) == []


@pytest.mark.parametrize(
    ("scopes", "narrow"),
    [
        ([], ""),
        (["", ""], ""),
        (["", "kit7/a"], "kit7/a"),
        (["kit7/a/", "kit7/a/ch1", "kit7"], "kit7/a/ch1"),
        (["kit7/a", "kit7/a"], "kit7/a"),
        (["kit7/a", "kit7/ab"], NOTHING),
        (["kit7/a/ch1", "", "kit7/a/ch2"], NOTHING),
        (["kit7/a", "kit7/b", "kit7/a"], NOTHING),
    ],
)
def test_the_narrowest_of_rights(scopes: list[str], narrow: str) -> None:
    assert narrowest(scopes) == narrow
