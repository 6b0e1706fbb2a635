"""What is kept of a device over our restarts: where it was, how it is spoken to, and which media transport worked.

Small JSON in `AttachedDevice.remember`. It is ours, but it comes from a disk: reading forgives everything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MAX_BYTES = 4096
_MEDIA = ("tcp-passive", "udp", "tcp-active")


@dataclass(frozen=True, slots=True)
class Memory:
    """`transport` is that of signalling ("udp", "tcp"); `media` the rung of the ladder that worked; `version` X-GB-Ver.

    `local` is our own address that the device reached us at.
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

    def dumps(self) -> str:
        text = json.dumps({k: v for k, v in asdict(self).items() if v}, ensure_ascii=False, separators=(",", ":"))
        return text if len(text.encode()) <= MAX_BYTES else "{}"


def loads(text: str) -> Memory:
    """The memory, or an empty one where the text is not what we wrote."""
    try:
        raw = json.loads(text) if text else {}
    except ValueError:
        return Memory()
    if not isinstance(raw, dict):
        return Memory()

    def word(key: str) -> str:
        value = raw.get(key, "")
        return value[:200] if isinstance(value, str) else ""

    port = raw.get("port", 0)
    return Memory(
        host=word("host"),
        port=port if isinstance(port, int) and 0 < port < 65536 else 0,
        transport="tcp" if word("transport") == "tcp" else "udp",
        local=word("local"),
        charset=word("charset") if word("charset") in ("gb18030", "utf-8") else "",
        version=word("version"),
        media=word("media") if word("media") in _MEDIA else "",
        maker=word("maker"),
        model=word("model"),
    )
