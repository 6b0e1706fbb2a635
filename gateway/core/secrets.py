"""Secrets made at first start, one file each in the state directory, mode 0600; nothing is the same on two kits.

`kit-password`    what devices register with unless they have a password of their own; people read and type it
`program-<name>`  of programs that the configuration gives none
`audit.key`       seals the audit record
`admin-password`, `auditor-password`   first passwords of the two first accounts; removed when they are changed
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.base.errors import ConfigError
from gateway.base.log import Secret

# Base 32 of RFC 4648 in lower case, without i, l, o and the digits that look like them.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def readable(groups: int = 3, length: int = 4) -> str:
    """Random text that people can read aloud and type: `groups` × `length` characters, about 5 bits each."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(length)) for _ in range(groups))


class Secrets:
    """The files of one state directory. Raises ConfigError when they can not be read or written."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir
        with self._cure():
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    def kit_password(self) -> Secret:
        return Secret(self._text("kit-password", readable))

    def program(self, name: str) -> str:
        """Its password, made when it is first asked for."""
        return self._text(f"program-{name}", lambda: readable(5))

    def renew_program(self, name: str) -> str:
        with self._cure():
            self._path(f"program-{name}").unlink(missing_ok=True)
        return self.program(name)

    def audit_key(self) -> bytes:
        return bytes.fromhex(self._text("audit.key", lambda: secrets.token_hex(32)))

    def first_password(self, account: str) -> Secret:
        """Of `admin` or `auditor`; longer than the kit's, since it opens more."""
        return Secret(self._text(f"{account}-password", lambda: readable(4)))

    def drop_first_password(self, account: str) -> None:
        """The account has a password of its own now."""
        with contextlib.suppress(OSError):
            self._path(f"{account}-password").unlink()

    def _path(self, name: str) -> Path:
        return self._dir / name

    def _text(self, name: str, make: Callable[[], str]) -> str:
        path = self._path(name)
        with self._cure():
            if path.exists():
                text = path.read_text(encoding="ascii").strip()
                if text:
                    return text
            text = make()
            # Written whole or not at all: half a secret after a power cut would lock the kit's devices out.
            fresh = path.with_name(f"{name}.new")
            fresh.unlink(missing_ok=True)
            fd = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            return text

    @contextlib.contextmanager
    def _cure(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as exc:
            text = f"{self._dir} can not hold the gateway's secrets ({exc}): give the folder to the gateway's user"
            raise ConfigError("gateway.state_dir", text) from exc
