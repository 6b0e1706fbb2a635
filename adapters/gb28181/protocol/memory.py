"""What is kept of a device over our restarts: where it was, how it is spoken to, and which media transport worked.

Small JSON in `AttachedDevice.remember`. It is ours, but it comes from a disk: reading forgives everything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace

MAX_BYTES = 4096
MAX_DIALOGS = 8
MAX_CHANNELS = 32
_MEDIA = ("tcp-passive", "udp", "tcp-active")


@dataclass(frozen=True, slots=True)
class Dialog:
    """A call that was up: enough to end it after a restart, so that the device has its stream free again."""

    call_id: str
    ours: str  # From of the INVITE, with its tag
    theirs: str  # To of the answer, with its tag
    target: str  # the answer's Contact URI
    cseq: int


@dataclass(frozen=True, slots=True)
class Memory:
    """`transport` is that of signalling ("udp", "tcp"); `media` the rung of the ladder that worked, `talk` the way in
    which it played our sound (`voice.Way`); `version` X-GB-Ver.

    `local` is our own address that the device reached us at. `channels` are (id, name) of the catalogue's first ones:
    they can be asked for at once after a restart.
    """

    host: str = ""
    port: int = 0
    transport: str = "udp"
    local: str = ""
    charset: str = ""
    version: str = ""
    media: str = ""
    maker: str = ""
    model: str = ""
    channels: tuple[tuple[str, str], ...] = ()
    dialogs: tuple[Dialog, ...] = ()
    talk: str = ""

    def dumps(self) -> str:
        """At most MAX_BYTES: channels give way first, then dialogs."""
        for kept in (self, replace(self, channels=()), replace(self, channels=(), dialogs=())):
            values = {key: value for key, value in asdict(kept).items() if value}
            text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
            if len(text.encode("utf-8", "replace")) <= MAX_BYTES:
                return text
        return "{}"


def loads(text: str) -> Memory:
    """The memory, or an empty one where the text is not what we wrote."""
    try:
        raw = json.loads(text) if text else {}
    except ValueError:
        return Memory()
    if not isinstance(raw, dict):
        return Memory()

    def word(key: str, allowed: tuple[str, ...] = ()) -> str:
        value = raw.get(key, "")
        return value[:200] if isinstance(value, str) and (not allowed or value in allowed) else ""

    port = raw.get("port", 0)
    return Memory(
        host=word("host"),
        port=port if isinstance(port, int) and 0 < port < 65536 else 0,
        transport=word("transport", ("tcp",)) or "udp",
        local=word("local"),
        charset=word("charset", ("gb18030", "utf-8")),
        version=word("version"),
        media=word("media", _MEDIA),
        talk=word("talk"),
        maker=word("maker"),
        model=word("model"),
        channels=_channels(raw.get("channels")),
        dialogs=_dialogs(raw.get("dialogs")),
    )


def _channels(raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, list):
        return ()
    good = [pair for pair in raw if isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair)]
    return tuple((external, name) for external, name in good[:MAX_CHANNELS])


def _dialogs(raw: object) -> tuple[Dialog, ...]:
    if not isinstance(raw, list):
        return ()
    kinds = {field.name: int if field.name == "cseq" else str for field in fields(Dialog)}
    good = [
        entry
        for entry in raw
        if isinstance(entry, dict)
        and entry.keys() == kinds.keys()
        and all(isinstance(entry[name], kind) for name, kind in kinds.items())
    ]
    return tuple(Dialog(**entry) for entry in good[:MAX_DIALOGS])
