"""Where pictures come from and go to: `[security]`, `[source.<name>]`, `[program.<name>]`, `[push.<name>]`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, field_validator

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import parse_url, shown_url
from gateway.config.section import Section
from gateway.config.units import Duration, is_slug

PATTERNS = 64
_PATTERN = re.compile(r"[a-z0-9*?][a-z0-9._*?-]{0,63}(?:/[a-z0-9*?][a-z0-9._*?-]{0,63})?")


def allowed_network(value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]:
    """`"10.0.0.0/8"`, `"127.0.0.1:8554"`, `"[::1]:8554"` → network and port (0: every one). Raises ValueError."""
    text, port = value.strip(), 0
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = _port(rest.removeprefix(":")) if rest else 0
    elif text.count(":") == 1:
        text, _, rest = text.partition(":")
        port = _port(rest)
    return ipaddress.ip_network(text, strict=False), port


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError("a port is 1 to 65535")
    return int(text)


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f'{value!r} is no network: write it as "192.168.1.0/24"') from None


def _pull_allow(value: str) -> str:
    try:
        allowed_network(value)
    except ValueError:
        raise ValueError(
            f'{value!r} is no network: write it as "192.168.1.0/24", or with a port as "127.0.0.1:8554"'
        ) from None
    return value


def _pattern(value: str) -> str:
    if _PATTERN.fullmatch(value) is None:
        raise ValueError(f'{value!r} names no stream: write "drone-1", "drone-1/main", "drone-*" or "*"')
    return value


def _url(value: SecretStr) -> SecretStr:
    try:
        parse_url(value.get_secret_value())
    except RemoteProtocolError as exc:
        raise ValueError(str(exc)) from None
    return value


def _channel(value: str) -> str:
    parts = value.split("/")
    if not 1 <= len(parts) <= 3 or not all(is_slug(part) for part in parts):
        raise ValueError(f'{value!r} names no stream: write it as "ball-1/ch1"')
    return value


UrlText = Annotated[SecretStr, AfterValidator(_url), PlainSerializer(lambda url: shown_url(url.get_secret_value()))]
"""A URL that may hold a password: shown without it."""
Password = Annotated[SecretStr, PlainSerializer(lambda secret: "********" if secret.get_secret_value() else "")]
Network = Annotated[str, AfterValidator(_network)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Security(Section):
    pull_allow: list[Annotated[str, AfterValidator(_pull_allow)]] = Field(
        [],
        max_length=64,
        description="addresses that sources and pushes may name although they are never reached otherwise: loopback, "
        'link-local, this machine, and private ones that a device or a redirect gave; "127.0.0.1:8554"',
    )
    push_policy: Literal["refuse", "replace"] = Field(
        "refuse", description="a second publisher of one name: refuse it, or replace the first by it"
    )
    push_keep: Duration = Field(
        3600.0, ge=1, description="a published stream that nobody sends or watches any more is kept this long"
    )
    push_most: int = Field(256, ge=1, le=4096, description="most names published at a time")


class Source(Section):
    url: UrlText = Field(description="where the picture is, as rtsp://user:password@192.168.1.64/1#transport=udp")
    sub: UrlText | None = Field(None, description="its smaller picture, where it has one")
    channel: dict[str, UrlText] = Field({}, max_length=64, description="further pictures of it: name = url")
    name: str = Field("", max_length=100, description="shown to people; empty: the short name")
    on_demand: bool = Field(True, description="false: opened at once and kept open")
    idle_close: Duration | None = Field(None, ge=0, description="let go this long after its last viewer; else streams")
    enabled: bool = Field(True, description="false: it is not offered")

    @field_validator("channel")
    @classmethod
    def _names(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in value:
            if not is_slug(name) or name in ("main", "sub"):
                raise ValueError(f"{name!r} is not a good name for a picture: lower-case letters, digits and '-'")
        return value

    @property
    def urls(self) -> dict[str, str]:
        """Channel → URL with its credentials; `main` first."""
        rest = {name: url.get_secret_value() for name, url in self.channel.items()}
        return {
            "main": self.url.get_secret_value(),
            **({"sub": self.sub.get_secret_value()} if self.sub is not None else {}),
            **rest,
        }


class Program(Section):
    password: Password = Field(
        SecretStr(""), description="its password and stream key; empty: one is made, see `fieldgate programs`"
    )
    publish: list[Pattern] = Field([], max_length=PATTERNS, description='what it may send: "drone-1", "truck-*", "*"')
    read: list[Pattern] = Field([], max_length=PATTERNS, description='what it may watch: "ball-1", "drone-*/main", "*"')
    without_password_from: list[Network] = Field(
        [], max_length=32, description="networks from which it needs no password; all else on them is taken for it"
    )
    push_policy: Literal["", "refuse", "replace"] = Field("", description="of its names; empty: that of security")
    enabled: bool = Field(True, description="false: it is refused")

    @field_validator("password")
    @classmethod
    def _long(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and (not 8 <= len(text) <= 128 or not text.isprintable()):
            raise ValueError("8 to 128 characters that can be printed, or empty so that one is made")
        return value


class Push(Section):
    stream: Annotated[str, AfterValidator(_channel)] = Field(description='what is sent, as "ball-1/ch1"')
    url: UrlText = Field(description="where to, as rtmp://user:password@center.example/live/key")
    name: str = Field("", max_length=100, description="shown to people; empty: the short name")
    enabled: bool = Field(True, description="false: it is not sent")
