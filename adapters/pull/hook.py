"""Addresses that expire: an HTTP request that a technician has configured gives the present one.

Clouds of cameras hand out a playing address for some minutes or hours. `[adapter.pull.renew.<name>]` says what to ask
and where in the answer's JSON the address stands (RFC 6901); `#renew=<name>&arg=<camera>` at a source uses it. Asked
when nothing is known yet, when what is known has ended, or when the far side refuses it; not more often than `every`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from adapters.pull.config import Renew
from adapters.pull.http import Address, Client
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, RemoteProtocolError
from gateway.base.url import parse_url

MOST_ANSWER = 256 * 1024
MOST_KNOWN = 1000
EARLY_S = 15.0
"""An address is not used in its last seconds."""


@dataclass(slots=True)
class _Known:
    address: Address | None = None
    ends_at: float = 0.0  # unix seconds; 0: not told
    asked_at: float = field(default=-1e9)  # monotonic
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hooks:
    def __init__(self, hooks: Mapping[str, Renew], client: Callable[[Renew], Client]) -> None:
        self._hooks = hooks
        self._client = client
        self._known: dict[tuple[str, str], _Known] = {}

    async def address(self, name: str, arg: str, *, anew: bool = False) -> Address:
        """The present address. `anew`: what was given last is refused.

        Raises LinkDown (`renew-failed`), Denied (`renew-unknown`), Busy (`renew-early`).
        """
        hook = self._hooks.get(name)
        if hook is None:
            raise Denied(f"there is no [adapter.pull.renew.{name[:40]}]", code="renew-unknown")
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        known = self._known.setdefault((name, arg), _Known())
        async with known.lock:
            fresh = known.address is not None and not (known.ends_at and known.ends_at - EARLY_S < time.time())
            if fresh and not anew:
                assert known.address is not None  # noqa: S101  (fresh says so)
                return known.address
            wait = known.asked_at + hook.every - time.monotonic()
            if wait > 0:
                raise Busy(f"{name} was asked for an address {hook.every - wait:.0f} s ago", code="renew-early")
            known.asked_at = time.monotonic()
            known.address, known.ends_at = await self._asked(name, hook, arg)
            return known.address

    async def _asked(self, name: str, hook: Renew, arg: str) -> tuple[Address, float]:
        client = self._client(hook)
        try:
            url = hook.url.get_secret_value().replace("{arg}", quote(arg, safe=""))
            body = hook.body.get_secret_value().replace("{arg}", json.dumps(arg)[1:-1]).encode()
            headers = {key: value.get_secret_value() for key, value in hook.headers.items()}
            async with client.ask(
                Address(url, trusted=True), method=hook.method, headers=headers, body=body, redirects=2
            ) as answer:
                told = json.loads(await answer.read(MOST_ANSWER))
            found = pointed(told, hook.pointer)
            if not isinstance(found, str):
                raise RemoteProtocolError(f"{hook.pointer} of the answer is no text", code="renew-failed")
            if parse_url(found).scheme not in ("http", "https"):
                raise RemoteProtocolError("the answer's address is not HTTP", code="renew-failed")
            ends = pointed(told, hook.ends_pointer) if hook.ends_pointer else 0.0
        except (ValueError, RecursionError) as exc:
            raise LinkDown(f"{name} answers with no JSON", code="renew-failed") from exc
        except GatewayError as exc:
            # The URL of the hook may hold its key: only its host is told.
            raise LinkDown(f"{name} gave no address: {exc}", code="renew-failed") from exc
        finally:
            client.close()
        return Address(found.partition("#")[0], trusted=hook.inside), _unix(ends)


def pointed(told: Any, pointer: str) -> Any:
    """RFC 6901. Raises RemoteProtocolError (`renew-failed`) where nothing is."""
    at = told
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict) and key in at:
            at = at[key]
        elif isinstance(at, list) and key.isdecimal() and int(key) < len(at):
            at = at[int(key)]
        else:
            raise RemoteProtocolError(f"the answer has no {pointer}", code="renew-failed")
    return at


def _unix(told: Any) -> float:
    """Seconds or milliseconds since 1970, as number or text; 0 for anything else."""
    try:
        value = float(told)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    if not 1e9 < value < 1e14:
        return 0.0
    return value / 1000 if value > 1e11 else value
