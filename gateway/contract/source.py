"""Where pictures come from and go to by name: URLs that are pulled, programs that push or read, URLs that may be
reached.

- A **source** is a URL of the configuration or of a device adapter (`onvif:` → `rtsp:`). Adapters register schemes
  (`Sources.scheme`); the core offers the stream and runs the scheme's opener while it is wanted.
- A **program** is a publisher or reader that is not a person: a drone's controller, a soldier transmitter, VLC on a
  wall. `[program.<name>]` gives it a password and says which streams it may publish or read.
- A **push point** is a name under which somebody publishes. Its stream stays when the publisher goes, and so do
viewers. - A **push** is an output: a stream that is sent to a URL for as long as the configuration says so.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.base.url import SourceUrl as SourceUrl
from gateway.contract.media import Open, Publication, Viewing
from gateway.model.ids import StreamId
from gateway.model.principal import Principal

SourceOpener = Callable[[SourceUrl, Publication], Awaitable[None]]
"""As `contract.media.Open`: opens, hands over legs, returns or raises when it ended; cancelled when nobody watches."""

PushOpener = Callable[[SourceUrl, Viewing], Awaitable[None]]
"""Sends what is viewed to the URL until it ends; retried with backoff. `Viewing.suited` finds what the far side
takes."""


class Sources(Protocol):
    def scheme(self, scheme: str, opener: SourceOpener) -> Callable[[], None]:
        """Who opens `scheme`, until the returned function is called. Sources of it wait for `adapter-off` meanwhile."""

    def push_scheme(self, scheme: str, opener: PushOpener) -> Callable[[], None]: ...

    def parse(self, url: str) -> SourceUrl:
        """Raises RemoteProtocolError (`bad-url`): control characters, no host, over 2048 characters. It is not trusted
        (`SourceUrl.trusted`); those that openers are called with are, where a technician wrote them."""

    async def open(self, url: SourceUrl | str, publication: Publication) -> None:
        """Open another URL for a publication (onvif → rtsp; a redirect to another scheme). Raises Unsupported."""


class Reach(Protocol):
    """Which addresses may be connected to: `[security]` of the configuration. Asked anew for every connection, also
    after each redirect, so that neither a name nor a redirect leads inside."""

    async def addresses(
        self, host: str, port: int, *, trusted: bool = False
    ) -> Sequence[tuple[socket.AddressFamily, str]]:
        """Addresses of `host` that may be reached, in the order to try. `trusted`: the URL is the configuration's own
        text (a technician wrote it), so private networks are allowed; loopback, link-local, multicast (for TCP) and our
        own addresses never are unless `security.pull_allow` names them. Raises Denied (`url-refused`), LinkDown
        (`dns-failed`).
        """

    async def connect(self, host: str, port: int, *, timeout_s: float = 5.0, trusted: bool = False) -> socket.socket:
        """A connected non-blocking TCP socket to one of them. Raises LinkDown (`connect-refused`,
        `connect-timeout`)."""


class Programs(Protocol):
    def secret(self, user: str) -> str | None:
        """Its password, for digest (RFC 7616): never logged, never sent. None: no such program."""

    async def check(self, user: str, password: str, address: str) -> Principal:
        """A program by its password, or a person by theirs (hashing takes a while). Raises Denied (`program-unknown`,
        `program-password`), Busy (`locked`) after several wrong ones from one address."""

    def by_key(self, key: str, address: str) -> Principal:
        """A program by its stream key alone (RTMP senders that know no user name). Raises as `check`."""

    def by_tail(self, tail: str, address: str) -> Principal | None:
        """The program whose stream key `tail` is: the last part of a name, from where no key is needed. None: it is
        a name. Raises Busy (`locked`) after very many of one address."""

    def known(self, user: str, address: str) -> Principal:
        """A program that has shown itself by digest; as `check`."""

    def failed(self, user: str, address: str) -> None:
        """Its digest did not fit: counts like a wrong password. The first request, without credentials, is none."""

    def anonymous(self, address: str) -> Principal | None:
        """Whom a sender or reader without credentials is taken for: the program with `from = [networks]` that has the
        address. None: nobody."""


@dataclass(frozen=True, slots=True)
class PushInfo:
    """How a publisher came: for the audit, the console and the policy."""

    protocol: str  # "rtmp", "rtsp", "srt", "whip", "ts", …
    address: str
    software: str = ""  # "DJI RC Pro", "FFmpeg 6.0": what it calls itself
    title: str = ""


class PushPoints(Protocol):
    """Names that may be published. A name is `device` or `device/channel` as in ids; others are refused in words."""

    def resolve(self, name: str, who: Principal) -> StreamId:
        """Raises NotFound (`push-unknown`), Denied (`push-denied`), RemoteProtocolError (`bad-name`): "../", control
        characters, over 130 characters."""

    async def publish(self, stream: StreamId, who: Principal, info: PushInfo, open_: Open) -> None:
        """Be the source of `stream` while `open_` runs. The stream stays when it ends: viewers keep the last
        picture and read `publisher-gone`; the next publisher goes on in the same stream. Somebody publishes
        already: by the policy of the name either Busy (`push-taken`) or the older one is ended with `push-replaced`."""

    def reading(self, name: str, who: Principal) -> StreamId:
        """The stream a reader names (RTSP DESCRIBE, SRT request, HLS). Raises NotFound, Denied."""
