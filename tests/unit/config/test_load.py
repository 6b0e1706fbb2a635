"""Errors name the key and say the cure; renamed keys still work; nothing is guessed."""

from __future__ import annotations

import logging
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field

from gateway.base.errors import ConfigError
from gateway.config.diff import diff
from gateway.config.example import render
from gateway.config.load import Listed, check, from_tree, load_config
from gateway.config.root import SECTIONS, Config
from gateway.config.units import Duration, HostPort, Listen
from gateway.registry import Installed

ROOT = Path(__file__).parents[3]


class BallConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    RENAMED: ClassVar[dict[str, str]] = {"bind": "listen"}
    listen: Listen = Field(HostPort("0.0.0.0", 5060), description="where")
    wait: Duration = Field(5.0, ge=1, description="how long")


def missing() -> type[BaseModel]:
    raise ConfigError("adapter.sat", "modem is not installed: install it", code="not-installed")


KNOWN = Listed({"ball": lambda: BallConfig})


def problems(text: str) -> list[str]:
    config, found = from_tree(tomllib.loads(text), KNOWN)
    assert (config is None) == any(not p.warning for p in found)
    return [str(p) for p in found]


def test_an_empty_file_is_all_defaults() -> None:
    config, found = from_tree({}, KNOWN)
    assert found == [] and config is not None
    assert config.gateway == Config().gateway
    assert list(config.adapters) == ["ball"]


@pytest.mark.parametrize(
    ("text", "key", "cure"),
    [
        ("[streams]\nidle_close = 5", "streams.idle_close", 'as "5s"'),
        ("[streams]\nidle_clsoe = '5s'", "streams.idle_clsoe", "did you mean idle_close"),
        ("[stream]\n", "stream", "did you mean streams"),
        ("[gateway]\nid = 'Kit 1'", "gateway.id", "lower-case"),
        ("[media]\nthreads = 0", "media.threads", "greater than or equal to 1"),
        ("[media]\nthreads = 'many'", "media.threads", "not 'many'"),
        ("[media]\nrtp_ports = '40000-30000'", "media.rtp_ports", "the smaller first"),
        ("[media]\nrtp_ports = '40000-40000'", "media.rtp_ports", "widen it"),
        ("[media]\nrtp_host = 'ball'", "media.rtp_host", "an IP address of this machine"),
        ("[api]\ntls_cert = '/a.pem'", "api.tls_key", "set both or neither"),
        ("[log]\nlevel = 'loud'", "log.level", "'debug'"),
        ("streams = 5", "streams", "write [streams]"),
        ("[adapter.ball]\nlisten = '5060'", "adapter.ball.listen", "0.0.0.0:5060"),
        ("[adapter.ball]\nlsten = 'x'", "adapter.ball.lsten", "did you mean listen"),
        ("[adapter.x]\ntype = 'bal'", "adapter.x.type", "did you mean ball"),
        ("[adapter.'A B']\ntype = 'ball'", "adapter.A B", "lower-case"),
        ("[adapter.ball]\nenabled = 'no'", "adapter.ball.enabled", "without quotes"),
        ("[streams]\nretry_first = '20s'", "streams.retry_most", "make it longer"),
    ],
)
def test_errors_name_the_key_and_the_cure(text: str, key: str, cure: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"{key}: ") and cure in found, found


def test_every_error_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("[media]\nthreads = 0\n[log]\nlevel = 'loud'\n[nonsense]\n")
    config, found = check(path, KNOWN)
    assert config is None and {p.key for p in found} == {"media.threads", "log.level", "nonsense"}
    with pytest.raises(ConfigError, match="2 more"):
        load_config(path, KNOWN)


def test_renamed_keys_are_taken_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f.toml"
    path.write_text("[media]\nports = '40000-40009'\n[adapter.ball]\nbind = '127.0.0.1:5061'\n")
    with caplog.at_level(logging.WARNING):
        config = load_config(path, KNOWN)
    assert config.media.rtp_ports == (40000, 40009)
    assert "media.ports: is now called media.rtp_ports" in caplog.text
    assert "adapter.ball.bind: is now called adapter.ball.listen" in caplog.text


def test_old_and_new_name_together_are_an_error() -> None:
    found = problems("[media]\nports = '40000-40009'\nrtp_ports = '1000-1009'")
    assert found == ["media.ports: is now called media.rtp_ports: rename it"]


@pytest.mark.parametrize(
    ("data", "cure"), [(b"a = ", "need quotes"), (b"\xff\xfe", "save it as UTF-8"), (b"#" * 2_000_000, "larger than")]
)
def test_files_that_are_no_configuration(data: bytes, cure: str, tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=cure) as wrong:
        load_config(path, KNOWN)
    assert wrong.value.key == str(path)


def test_a_file_that_is_not_there_is_an_error_when_it_was_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can not be read"):
        load_config(tmp_path / "none.toml", KNOWN)


def test_an_adapter_that_is_not_installed() -> None:
    table = Listed({"ball": lambda: BallConfig, "sat": missing})
    config, found = from_tree({}, table)
    assert config is not None and "sat" not in config.adapters and found[0].warning, "not asked for: only a warning"
    config, found = from_tree({"adapter": {"sat": {}}}, table)
    assert config is None and found[0].code == "not-installed"


def test_an_idle_one_of_which_nothing_was_written_is_loaded_when_somebody_looks() -> None:
    loaded: list[str] = []

    def model() -> type[BallConfig]:
        loaded.append("ball")
        return BallConfig

    table = Listed({"ball": model}, idle={"ball"})
    config, found = from_tree({}, table)
    again, _ = from_tree({"adapter": {"ball": {}}}, table)
    assert config is not None and again is not None and not found and not loaded
    section = config.adapters["ball"]
    assert section.untouched and section.values == BallConfig() and section.values is section.values
    assert loaded == ["ball"] and section.untouched, "looking at it writes nothing"
    assert not diff(config, again).changed
    written, _ = from_tree({"adapter": {"ball": {"listen": "0.0.0.0:5071"}}}, table)
    assert written is not None and not written.adapters["ball"].untouched
    assert diff(config, written).changed == {"ball"}


def test_two_of_a_type_and_one_switched_off() -> None:
    text = "[adapter.east]\ntype = 'ball'\n[adapter.west]\ntype = 'ball'\nlisten = '0.0.0.0:5070'\n"
    config, _ = from_tree(tomllib.loads(text), KNOWN)
    assert config is not None and {a.name: a.type for a in config.adapters.values()} == {"east": "ball", "west": "ball"}
    config, _ = from_tree({"adapter": {"ball": {"enabled": False}}}, KNOWN)
    assert config is not None and config.adapters == {}


def test_the_diff_says_what_restarts() -> None:
    def of(text: str) -> Config:
        config, found = from_tree(tomllib.loads(text), KNOWN)
        assert config is not None, found
        return config

    base = of("[adapter.east]\ntype = 'ball'")
    assert diff(base, of("[adapter.east]\ntype = 'ball'")).changes == ()
    other = "[streams]\nidle_close = '20s'\n[media]\nthreads = 2\n[api]\nport = 9\n"
    change = diff(base, of(other + "[adapter.west]\ntype = 'ball'"))
    assert (change.live, change.restart, change.parts) == ({"streams"}, {"media"}, {"api"})
    assert (change.started, change.stopped, change.changed) == ({"west"}, {"east"}, frozenset())
    assert "streams.idle_close: '10s' → '20s'" in [str(c) for c in change.changes]
    change = diff(base, of("[adapter.east]\ntype = 'ball'\nwait = '9s'"))
    assert (change.changed, change.started) == ({"east"}, frozenset())


def test_the_example_file_is_true() -> None:
    """It is what the models say, and reading it gives the defaults."""
    text = (ROOT / "config" / "fieldgate.example.toml").read_text()
    assert text == render(Installed()), "run `make example-config`"
    config, found = from_tree(tomllib.loads(text), Installed())
    default, _ = from_tree({}, Installed())
    assert found == [] and config == default


def test_what_is_printed_reads_back() -> None:
    text = "[gateway]\nname = '现场 \"1\"'\n[adapter.east]\ntype = 'ball'\nlisten = '[::]:5070'\nwait = '1500ms'\n"
    config, _ = from_tree(tomllib.loads(text), KNOWN)
    assert config is not None
    again, found = from_tree(tomllib.loads(render(KNOWN, config)), KNOWN)
    assert found == [] and again == config


INSTALLED = Installed()


@pytest.mark.parametrize("name", [*SECTIONS, *INSTALLED.types])
def test_defaults_are_what_a_look_at_them_gives(name: str) -> None:
    """What nothing was written of is taken as it is, without a validator: it has to pass one."""
    model = SECTIONS.get(name) or INSTALLED.model(name)
    assert model.model_construct() == model.model_validate({})
    assert repr(model.model_construct()) == repr(model.model_validate({}))


def test_the_defaults_build_no_validator() -> None:
    code = (
        "from gateway.cli.run import load_lightly; load_lightly()\n"
        "from gateway.config.load import from_tree\n"
        "from gateway.registry import Installed\n"
        "made, _ = from_tree({}, Installed())\n"
        "print(sum(type(one.values).__pydantic_complete__ for one in made.adapters.values()), len(made.adapters))"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.split() == ["0", str(len(INSTALLED.types))]
