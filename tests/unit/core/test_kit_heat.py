"""Heat by thermal zones and chips, with sensors that tell what can not be."""

from __future__ import annotations

from pathlib import Path

from gateway.core.kit_heat import judged, read_heat
from gateway.model.kit_state import Heat


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")


def test_both_kinds_the_hottest_first(tmp_path: Path) -> None:
    thermal, hwmon = tmp_path / "thermal", tmp_path / "hwmon"
    put(
        thermal / "thermal_zone0", type="cpu-thermal", temp="71500", trip_point_0_type="passive",
        trip_point_0_temp="80000", trip_point_1_type="critical", trip_point_1_temp="110000",
    )  # fmt: skip
    put(thermal / "thermal_zone1", type="gpu-thermal", temp="-274000")
    put(thermal / "thermal_zone2", type="broken", temp="many")
    put(hwmon / "hwmon0", name="nvme", temp1_label="Composite", temp1_input="43800", temp1_crit="84800")
    put(hwmon / "hwmon1", name="cpu-thermal", temp1_input="91000", temp1_crit="0")
    assert read_heat(thermal, hwmon) == [Heat("cpu-thermal", 91.0), Heat("nvme Composite", 43.8, 84.8)]
    assert read_heat(tmp_path / "no", tmp_path / "none") == []


def test_by_its_own_mark_and_not_at_its_edge() -> None:
    codes = []
    stood: dict[str, str] = {}
    for celsius in (60, 70, 69, 67, 65, 80, 77, 74, 90):
        (one,) = judged([Heat("ssd", celsius, 85.0)], stood)
        stood = {"ssd": one.code}
        codes.append(one.code)
    assert codes == ["", "hot", "hot", "hot", "", "too-hot", "too-hot", "hot", "too-hot"]
    assert [one.code for one in judged([Heat("a", 79.0), Heat("b", 81.0), Heat("c", 95.0)])] == ["", "hot", "too-hot"]
    assert judged([Heat("a", 71.0)], hot_c=70.0)[0].code == "hot"


def test_an_input_without_a_sensor_is_no_heat(tmp_path: Path) -> None:
    chip = tmp_path / "hwmon0"
    chip.mkdir()
    (chip / "name").write_text("nct6775\n")
    for number, milli in enumerate(("127000", "127500", "128000", "-128000", "-60000", "61000"), 1):
        (chip / f"temp{number}_input").write_text(milli)
    (found,) = judged(read_heat(tmp_path / "none", tmp_path))
    assert (found.celsius, found.code) == (61.0, "")
