"""Trunks in the configuration: `[adapter.sip.trunks.<name>]`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    field_validator,
    model_validator,
)

from adapters.sip.config_media import MediaConfig
from gateway.config.units import Duration
from gateway.model.principal import Role

CALL_WORDS = ("groups", "channels", "users", "console", "trunks")

_CALL_WORD = re.compile(r"trunk:[a-z0-9][a-z0-9._-]{0,63}|number:[0-9X*#+\[\]\-.]{1,64}")
_PATTERN = re.compile(r"(?:[0-9X*#+]|\[[0-9](?:-?[0-9])*\])+\.?|\.")
_SERVER = re.compile(r"(udp|tcp|tls):(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}))(?::(\d{1,5}))?")
_SIP_USER = re.compile(r"[A-Za-z0-9+*#_.!~'()&=$,;?/-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]+\]")

Secret = SecretStr


def call_words(words: Sequence[str]) -> list[str]:
    """Checked words of a `calls` list. Raises ValueError for one that means nothing."""
    for word in words:
        if word not in CALL_WORDS and _CALL_WORD.fullmatch(word) is None:
            raise ValueError(f'{word!r} means nothing here: use {", ".join(CALL_WORDS)}, "trunk:NAME", "number:9."')
    return list(words)


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f'{value!r} is no network: write it as "192.168.1.0/24"') from None


def _pattern(value: str) -> str:
    if _PATTERN.fullmatch(value) is None:
        raise ValueError(f'{value!r} is no pattern: digits, X for a digit, [2-9] for a choice, "." for the rest')
    return value


Network = Annotated[str, AfterValidator(_network)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Server(NamedTuple):
    """One server of a trunk. `srv`: a name without a port, for which the DNS is asked by SRV first (RFC 3263 §4.2);
    `port` is then that of the name itself, where it has no SRV records."""

    transport: Literal["udp", "tcp", "tls"]
    host: str
    port: int
    srv: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}" if self.srv else f"{self.transport}:{host}:{self.port}"


def parse_server(value: object) -> Server:
    """`"udp:10.0.0.1:5060"`, `"tls:sip.center.example"`. Raises ValueError."""
    if isinstance(value, Server):
        return value
    found = _SERVER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or int(found[3] or 0) > 65535:
        raise ValueError(f'{value!r} is no server: write it as "udp:10.0.0.1:5060" or "tls:sip.example.com:5061"')
    port = int(found[3] or (5061 if found[1] == "tls" else 5060))
    host = found[2].strip("[]")
    return Server(found[1], host, port, srv=found[3] is None and not _is_address(host))  # type: ignore[arg-type]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


ServerText = Annotated[Server, BeforeValidator(parse_server), PlainSerializer(str)]


def secret_given(password: SecretStr | None, file: Path | None) -> bool:
    """Whether a password stands there. Raises ValueError for two of them."""
    if password is not None and file is not None:
        raise ValueError("password and password_file: set one of them")
    return password is not None or file is not None


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rewrite(Part):
    """The first rule whose pattern fits changes the number."""

    pattern: Pattern = Field(description="numbers that are changed")
    strip: int = Field(0, ge=0, le=32, description="digits taken off in front")
    prepend: str = Field("", max_length=32, pattern=r"^[0-9*#+]*$", description="digits put in front")


class AccountConfig(Part):
    """One registration at the trunk's server: for a device, a radio channel, a talk group, a softphone."""

    user: str = Field(description="user part of the address of record")
    auth_user: str = Field("", description="name for the digest; empty: the user")
    password: Secret | None = Field(None, description="better: password_file")
    password_file: Path | None = Field(None, description="file whose first line is the password")
    target: str = Field(description='what rings when it is called: "talk/ops", "ball-1/ch1", "console", "user:anna"')
    name: str = Field("", max_length=80, description="display name")

    @field_validator("user")
    @classmethod
    def _user(cls, value: str) -> str:
        if _SIP_USER.fullmatch(value) is None:
            raise ValueError(f"{value!r} is no SIP user")
        return value

    @model_validator(mode="after")
    def _secret(self) -> AccountConfig:
        if not secret_given(self.password, self.password_file):
            raise ValueError(f"account {self.user}: set password_file")
        return self


class TrunkConfig(Part):
    """One way to the center: a server we register at, or a static trunk of an IMS or PBX."""

    servers: list[ServerText] = Field(
        min_length=1,
        max_length=8,
        description='"udp:10.0.0.1:5060", "tls:sip.example.com" (without a port: SRV); the first is preferred',
    )
    mode: Literal["register", "static"] = Field(
        "register", description="register: its accounts; static: an IMS or PBX, told by its address, no REGISTER"
    )
    domain: str = Field("", description="domain of our addresses there; empty: the first server's host")
    accounts: list[AccountConfig] = Field(default_factory=list, max_length=1000, description="what registers")
    sources: list[Network] = Field(
        default_factory=list, max_length=64, description="networks it calls from, beside its servers' addresses"
    )
    peer_name: str = Field("", description="name that must stand in its TLS certificate when it connects to us")
    ca: Path | None = Field(None, description="CA of the servers' certificates, PEM; empty: the system's")
    verify: bool = Field(True, description="check the servers' certificates; false only on a bench")

    expires: Duration = Field(3600.0, ge=60, le=86400, description="registration asked for; refreshed at 80 %")
    keepalive: Duration = Field(30.0, ge=1, le=3600, description="interval of OPTIONS")
    keepalive_misses: int = Field(3, ge=1, le=20, description="so many unanswered ones and the next server is taken")
    keepalive_patience: Duration = Field(4.0, gt=0, le=32, description="wait for the answer to an OPTIONS")
    register_patience: Duration = Field(8.0, gt=0, le=32, description="wait for the answer to a REGISTER")
    failback: Duration = Field(60.0, ge=1, le=86400, description="how often a better server is tried again")
    retry_first: Duration = Field(2.0, gt=0, le=60, description="wait after the first failure; doubles each time")
    retry_most: Duration = Field(120.0, ge=1, le=3600, description="longest wait between attempts")
    refused_retry: Duration = Field(300.0, ge=1, le=86400, description="wait after a refused password (centers ban)")

    numbers: list[Pattern] = Field(
        default_factory=list, max_length=256, description="numbers of ours that may be called from it; empty: none"
    )
    calls: list[str] = Field(
        ["groups", "channels", "users", "console"],
        description="what those numbers may lead to; trunks only where transit is meant",
    )
    emergency: bool = Field(False, description="believe its Priority: emergency")
    role: Role = Field(Role.OPERATOR, description="role of its callers: viewer only listens, operator also talks")
    trusted: bool = Field(
        False, description="believe and send P-Asserted-Identity and Diversion (a carrier's or our own PBX)"
    )
    caller_id: str = Field("", description="number shown for callers who have no account there")
    international: str = Field("00", pattern=r"^[0-9]*$", description="prefix that stands for +")
    national: str = Field("0", pattern=r"^[0-9]*$", description="trunk prefix of national numbers")
    country: str = Field("", pattern=r"^[0-9]{0,3}$", description="own country code; empty: numbers stay national")
    rewrite_in: list[Rewrite] = Field(default_factory=list, max_length=64, description="changes of called numbers")
    rewrite_out: list[Rewrite] = Field(default_factory=list, max_length=64, description="changes of dialled numbers")
    max_calls: int = Field(30, ge=1, le=10_000, description="calls at one time, both directions")
    day_budget: Duration = Field(
        0.0, ge=0, le=86400, description='most time of its calls within 24 hours ("30m" by satellite); 0: no bound'
    )
    engine: Literal["native", "pjsua2"] = Field(
        "native", description="who places its calls; pjsua2: PJSIP in worker processes, sound only (extra [pjsua2])"
    )
    media: MediaConfig = Field(default_factory=MediaConfig, description="what its calls may carry")

    @field_validator("calls")
    @classmethod
    def _calls(cls, value: list[str]) -> list[str]:
        return call_words(value)

    @field_validator("domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        if value and _DOMAIN.fullmatch(value) is None:
            raise ValueError(f"{value!r} is no domain")
        return value.strip("[]")

    @model_validator(mode="after")
    def _together(self) -> TrunkConfig:
        if self.mode == "register" and not self.accounts:
            raise ValueError('nothing to register: add accounts, or set mode = "static"')
        users = [account.user for account in self.accounts]
        if len(set(users)) != len(users):
            raise ValueError("two accounts have the same user")
        if self.peer_name and all(server.transport != "tls" for server in self.servers):
            raise ValueError("peer_name is checked on TLS connections: no server of this trunk has tls")
        return self

    @property
    def own_domain(self) -> str:
        return self.domain or self.servers[0].host
