"""What a technician may set for SIP calls: `[adapter.sip]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from adapters.sip.config_media import MediaConfig
from adapters.sip.config_trunk import Network, Pattern, TrunkConfig, call_words, secret_given
from adapters.sip.config_trunk import Secret as SecretText
from gateway.config.units import Duration, HostPort, parse_host_port
from gateway.model.principal import Role

_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LISTEN = re.compile(r"(udp|tcp|tls):(.+)")

PRIVATE = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


class SipListen(NamedTuple):
    transport: Literal["udp", "tcp", "tls"]
    at: HostPort

    def __str__(self) -> str:
        return f"{self.transport}:{self.at}"


def parse_listen(value: object) -> SipListen:
    """`"udp:0.0.0.0:5070"`. Raises ValueError."""
    if isinstance(value, SipListen):
        return value
    found = _LISTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a SIP listener: write it as "udp:0.0.0.0:5070" or "tls:[::]:5061"')
    return SipListen(found[1], parse_host_port(found[2]))  # type: ignore[arg-type]


ListenText = Annotated[SipListen, BeforeValidator(parse_listen), PlainSerializer(str)]


def _default_listen() -> list[SipListen]:
    return [
        parse_listen(f"{transport}:{host}:{port}")
        for transport, port in (("udp", 5070), ("tcp", 5070), ("tls", 5061))
        for host in ("0.0.0.0", "[::]")  # noqa: S104 - a gateway is there to be reached
    ]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsConfig(Part):
    """The certificate of our TLS listeners; empty: the kit's own."""

    certificate: Path | None = Field(None, description="certificate with its chain, PEM; else the kit's own")
    key: Path | None = Field(None, description="its key, PEM")
    client_ca: Path | None = Field(None, description="CA of peers' certificates, PEM; needed for a trunk's `peer_name`")

    @model_validator(mode="after")
    def _both(self) -> TlsConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: set both or neither")
        return self


class UserPolicy(Part):
    """What a softphone of the kit's own network may do."""

    calls: list[str] = Field(
        ["groups", "channels", "users", "console"],
        description='whom it may call: groups, channels, users, console, trunks, "trunk:NAME", "number:PATTERN"',
    )
    role: Role = Field(Role.OPERATOR, description="its role in the gateway: viewer only listens, operator also talks")
    max_calls: int = Field(2, ge=1, le=100, description="calls of one user at one time")
    media: MediaConfig = Field(default_factory=MediaConfig, description="what its calls may carry")

    @field_validator("calls")
    @classmethod
    def _calls(cls, value: list[str]) -> list[str]:
        return call_words(value)


class UserConfig(UserPolicy):
    """One user. Without a password here, the one of `fieldgate sip users add` counts."""

    name: str = Field("", max_length=80, description="shown to people; empty: the user's name")
    number: str = Field("", description="own number; empty: the user's name")
    password: SecretText | None = Field(None, description="better: password_file, or `fieldgate sip users add`")
    password_file: Path | None = Field(None, description="file whose first line is the password")

    @model_validator(mode="after")
    def _one(self) -> UserConfig:
        secret_given(self.password, self.password_file)
        return self


class RouteRule(Part):
    """Numbers that lead outside: pattern → trunks, tried in order."""

    pattern: Pattern = Field(description='X a digit, [2-9] a choice, "." at the end: one or more of anything')
    trunks: list[str] = Field(min_length=1, max_length=8, description="trunks, tried in order")
    strip: int = Field(0, ge=0, le=32, description="digits taken off in front")
    prepend: str = Field("", max_length=32, pattern=r"^[0-9*#+]*$", description="digits put in front")


class GuardConfig(Part):
    """How guessing and flooding is slowed and banned."""

    ban_after: int = Field(8, ge=2, le=1000, description="offences of a source within 10 minutes until it is banned")
    ban_first: Duration = Field(60.0, ge=1, le=86400, description="first ban; each one more doubles it")
    ban_most: Duration = Field(86400.0, ge=60, description="longest ban")
    slow_most: Duration = Field(4.0, ge=0, le=20, description="longest delay of the answer to a wrong password")
    registers_per_s: float = Field(
        5.0, ge=0.1, le=1000, description="REGISTER a source may send (bursts of ten times this)"
    )
    invites_per_s: float = Field(10.0, ge=0.1, le=1000, description="INVITE a source may send (bursts of ten times it)")
    max_sources: int = Field(4096, ge=64, le=1_000_000, description="sources remembered; the quietest gives way")


class SipConfig(Part):
    """SIP calls: trunks to the center, and softphones of the kit's own network."""

    listen: list[ListenText] = Field(
        default_factory=_default_listen,
        max_length=16,
        description="addresses for SIP; an IPv6 wildcard is left out on a machine without IPv6",
    )
    user_agent: str = Field("Fieldgate", max_length=64, pattern=r"^[ -~]*$", description="User-Agent header we send")
    realm: str = Field(
        "fieldgate",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="realm of the softphones' passwords; a change needs all of them set anew",
    )
    digests: list[Literal["MD5", "SHA-256"]] = Field(
        ["SHA-256", "MD5"],
        min_length=1,
        max_length=2,
        description="password hashes offered to phones, preferred first; one that fails at two is asked by MD5 alone",
    )
    networks: list[Network] = Field(
        list(PRIVATE), max_length=64, description="networks in which softphones may register and call"
    )
    tls: TlsConfig = Field(default_factory=TlsConfig, description="certificate of the TLS listeners")

    softphones: UserPolicy = Field(default_factory=UserPolicy, description="what users may do that are not named below")
    users: dict[str, UserConfig] = Field(default_factory=dict, description="softphone users, by their SIP user name")
    numbers: dict[str, str] = Field(
        default_factory=dict,
        description='number → "talk/ops", "ball-1/ch1", "listen:ball-1/ch1", "console", "user:anna" or a number',
    )
    routes: list[RouteRule] = Field(default_factory=list, max_length=256, description="numbers that lead to trunks")
    emergency: list[str] = Field(
        default_factory=list, max_length=32, description="emergency numbers: any user may call them, over every cap"
    )
    group_callers: dict[str, list[str]] = Field(
        default_factory=dict,
        description='group → who alone may call it: "user:anna", "trunk:center", "people"; unnamed groups: all',
    )
    people: list[str] = Field(
        ["users", "trunks"], description="whom people in the console may call, in the words of `calls`"
    )
    trunks: dict[str, TrunkConfig] = Field(default_factory=dict, description="ways to the center's servers")

    register_min: Duration = Field(60.0, ge=10, le=3600, description="shortest registration of a softphone (else 423)")
    register_max: Duration = Field(3600.0, ge=60, le=86400, description="longest registration we grant")
    phone_keepalive: Duration = Field(
        30.0, ge=0, le=3600, description="interval of OPTIONS to phones over UDP; 0s: they are not asked"
    )
    phone_misses: int = Field(3, ge=1, le=20, description="so many unanswered ones and a phone is no longer rung")
    max_bindings: int = Field(4, ge=1, le=32, description="phones registered at once by one user; the oldest gives way")
    max_users: int = Field(1000, ge=1, le=100_000, description="users kept")
    max_calls: int = Field(64, ge=1, le=10_000, description="calls at one time, all together")
    address_poll: Duration = Field(2.0, gt=0, le=60, description="how often a change of our own address is looked for")
    guard: GuardConfig = Field(default_factory=GuardConfig, description="guessing and flooding")

    @field_validator("people")
    @classmethod
    def _people(cls, value: list[str]) -> list[str]:
        return call_words(value)

    @field_validator("users")
    @classmethod
    def _names(cls, value: dict[str, UserConfig]) -> dict[str, UserConfig]:
        for name in value:
            check_user_name(name)
        return value

    @model_validator(mode="after")
    def _together(self) -> SipConfig:
        for rule in self.routes:
            for name in rule.trunks:
                if name not in self.trunks:
                    raise ValueError(f"routes: there is no trunk {name!r}")
        words = [word for user in (self.softphones, *self.users.values()) for word in user.calls]
        words += [word for trunk in self.trunks.values() for word in trunk.calls]
        for word in (*words, *self.people):
            if word.startswith("trunk:") and word.removeprefix("trunk:") not in self.trunks:
                raise ValueError(f"calls: there is no trunk {word.removeprefix('trunk:')!r}")
        if self.tls.client_ca is None and any(trunk.peer_name for trunk in self.trunks.values()):
            raise ValueError("a trunk's peer_name needs tls.client_ca, the CA that its certificate is checked by")
        if self.register_max < self.register_min:
            raise ValueError("register_max is shorter than register_min: make it longer")
        return self

    def policy_of(self, user: str) -> UserPolicy:
        """What a user may do: its own section, else `softphones`."""
        return self.users.get(user, self.softphones)


def check_user_name(name: str) -> str:
    """A SIP user that needs no escapes anywhere. Raises ValueError."""
    if _USER.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no user name: letters, digits, '.', '_' and '-', at most 64")
    return name


Config = SipConfig
"""The name by which the core finds the model without importing the adapter."""
