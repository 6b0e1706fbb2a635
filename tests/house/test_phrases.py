"""What a technician reads of a self-check, of a bearer and of a wrong setting is there in Chinese.

The texts are read from the source, so that a new one without its translation fails here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.model.phrase import PHRASES, chinese
from gateway.model.reason import REASONS

ROOT = Path(__file__).parents[2]
VALUE = "X1"
BEARERS = ("modem", "satphone", "station", "mesh", "gnss")
SETTINGS = ("modem", "satphone", "station", "mesh", "gnss", "panel")
"""Adapters whose errors, and whose mistakes in the setting, all have to be known. The others' findings have to."""
OURS = {"LocalProtocolError", "TypeError", "Over"}


def template(node: ast.AST | None) -> str:
    """A text with `VALUE` for what varies; "" for what is no text of the source."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return ""


def name_of(call: ast.Call) -> str:
    return str(getattr(call.func, "id", getattr(call.func, "attr", "")))


def calls(paths: Iterator[Path] | list[Path]) -> Iterator[tuple[Path, ast.Call, bool]]:
    """With whether it is raised."""
    for path in paths:
        tree = ast.parse(path.read_text())
        raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield path, node, id(node) in raised


def branches(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.IfExp):
        return [*branches(node.body), *branches(node.orelse)]
    if isinstance(node, ast.BoolOp):
        return [one for value in node.values for one in branches(value)]
    return [node]


def findings() -> Iterator[str]:
    files = [path for top in ("gateway", "adapters") for path in (ROOT / top).rglob("*.py")]
    for path, call, _ in calls(files):
        if name_of(call) == "Finding" and path.name != "doctor_links.py":
            named = [one.value for one in call.keywords if one.arg in ("check", "measured", "expected")]
            for given in (*call.args[:1], *call.args[2:4], *named):
                for one in branches(given):
                    yield template(one)


SOURCES = ("rtsp", "rtmp", "srt", "mpegts", "onvif", "pull", "hls", "jt808", "local")
"""Adapters of which every error is a detail beside a reason, in the console."""
SOURCE_PARTS = ("gateway/net/capture", "gateway/net/discovery", "gateway/wire/rtsp", "gateway/convert")
SOURCE_FILES = (
    "base/url.py",
    "net/web.py",
    "net/tcp.py",
    "wire/digest.py",
    "wire/wsd.py",
    "wire/ssdp.py",
    "wire/mdns.py",
)
SOURCE_CORE = (
    "sources",
    "source_",
    "reach",
    "ingest_leg",
    "on_demand",
    "streams",
    "transcode",
    "conver",
    "push",
    "suit",
)
CORE_TOO = ("discovery", "devices", "snapshots", "acts.py", "mediaplane", "pictures", "ptz", "programs")
ERRORS = {"LinkDown", "PeerError", "Busy", "NotFound", "Denied", "Unsupported", "RemoteProtocolError", "GatewayError"}


def details() -> Iterator[str]:
    """Texts of errors, raised or handed on, and the parts that are put into one."""
    folders = [ROOT / "adapters" / name for name in SOURCES] + [ROOT / part for part in SOURCE_PARTS]
    files = [path for folder in folders for path in folder.rglob("*.py") if path.name != "config.py"]
    files += [ROOT / "gateway" / name for name in SOURCE_FILES]
    core = (ROOT / "gateway" / "core").glob("*.py")
    files += [path for path in core if path.name.startswith((*SOURCE_CORE, *CORE_TOO))]
    for _, call, raised in calls(files):
        name = name_of(call)
        if name in ERRORS or (raised and name not in OURS):
            named = [one.value for one in call.keywords if one.arg == "detail"]
            for given in (*call.args, *named):
                for one in branches(given):
                    yield template(one)
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "words" for one in node.targets):
                yield template(node.value)


def errors() -> Iterator[str]:
    folders = [path for name in BEARERS for path in (ROOT / "adapters" / name).rglob("*.py")]
    parts = [ROOT / "gateway" / part for part in ("base/serial.py", "net/snmp.py", "net/at.py", "net/at_texts.py")]
    for path, call, raised in calls([*folders, *parts]):
        if raised and name_of(call) not in OURS and path.name != "config.py":
            for given in call.args:
                yield template(given)


def settings() -> Iterator[str]:
    files = [*(ROOT / "gateway" / "config").glob("*.py"), ROOT / "gateway" / "api" / "server.py"]
    files += [ROOT / "adapters" / name / "config.py" for name in SETTINGS]
    for path, call, _ in calls(files):
        if name_of(call) in ("ValueError", "ConfigError", "Problem") and path.name not in ("sources.py", "talk.py"):
            yield template(call.args[-1])


def wanting(text: str) -> bool:
    """It holds words, and none of them is Chinese."""
    return bool(re.search(r"[a-z]{3,}", text.replace(VALUE, ""))) and not re.search(r"[一-鿿]", chinese(text))


NEUTRAL = re.compile(
    r"[\w.-]+\.[\w.{}-]+"  # a key, a file
    r"|[A-Z][\w. ]*|libsrt X1|verify = true|alsa-utils|batctl|panel gpiod|fieldgate\[gpio\]"
    r"|ModemManager: X1|polkit: X1|gpsd: X1|gpsd at X1: X1|batctl X1: X1|X1: X1"
    r"|no such (key|section)X1|there is no adapter X1X1"  # with a hint behind, see below
    r"|port|host:port|onvif\.\w+|X1(\.|/)?\w*|mqtt X1|gnss X1|gnss gpsd|local|hls|pull|phone"
    r"|X1 has X1: X1"  # a camera has presets that can not be deleted, no home position
    r"|uplink X1|sip engine pjsua2"
)


@pytest.mark.parametrize("told", [findings, errors, settings, details])
def test_each_text_is_there_in_chinese(told: Callable[[], Iterator[str]]) -> None:
    found = sorted(
        {text for text in told() if text and text not in REASONS and wanting(text) and not NEUTRAL.fullmatch(text)}
    )
    assert found == [], f"{len(found)} texts of {told.__name__} have no Chinese in gateway/model/phrases"


def test_what_varies_is_kept_and_what_is_not_known_stays() -> None:
    assert chinese("USB socket 1-1.3 has no device") == "USB 插口 1-1.3 未接设备"
    refused = chinese("rtsp://192.0.2.9/1 answered DESCRIBE with 404 Not Found")
    assert refused == "rtsp://192.0.2.9/1 对 DESCRIBE 应答 404 Not Found", "what a program said stays"
    assert chinese("gate has no home position: ActionNotSupported") == "gate 没有守望位：ActionNotSupported"
    assert chinese("/dev/x is not there: No such file or directory") == "/dev/x 不存在：文件或目录不存在"
    assert chinese("tcp://192.0.2.1:9 can not be reached: [Errno 111] Connection refused").endswith("：连接被拒绝")
    assert chinese("api.port: 700000 will not do: Input should be less than or equal to 65535") == (
        "api.port: 700000 不可用：不得大于 65535"
    )
    for what in ("no such key", "no such section", "there is no adapter 'x'"):
        for hint in ("; did you mean voice?", "; known are: voice, data"):
            assert re.search(r"[一-鿿].*voice", chinese(f"gateway.x: {what}{hint}"))
    assert chinese("EG25 up") == "EG25 正常" and chinese("nobody has ever said this") == "nobody has ever said this"
    assert chinese("a{b}") == "a{b}" and chinese("x" * 10_000) == "x" * 10_000


@pytest.mark.parametrize(("en", "told"), PHRASES)
def test_each_phrase_takes_what_its_text_gives(en: str, told: str) -> None:
    made = chinese(en.replace("{}", "Y7"))
    wanted = told.format(*["Y7"] * en.count("{}")) if "{}" in en else told
    assert made == wanted, "another phrase takes it"
    assert re.search(r"[一-鿿]", told) or "{" in told or told in ("host:port",)


def test_no_phrase_stands_twice() -> None:
    texts = [en for en, _ in PHRASES]
    assert sorted(one for one in set(texts) if texts.count(one) > 1) == []
