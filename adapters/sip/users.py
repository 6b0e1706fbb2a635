"""Softphone users and what proves them: HA1 for MD5 and SHA-256, never the password itself.

Two sources: `[adapter.sip.users]` with a password (file), and `users.json` in the adapter's state directory, mode 0600,
written by `fieldgate sip users add`. There is no default user and no default password: nobody registers until somebody
was added. The configuration wins where both name a user.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from adapters.sip.config import SipConfig, UserConfig, UserPolicy, check_user_name
from gateway.base.errors import Busy, ConfigError, GatewayError, NotFound
from gateway.wire.digest import make_ha1

log = logging.getLogger(__name__)

FILE = "users.json"
ALGORITHMS = ("SHA-256", "MD5")  # the preferred first (RFC 8760 §2.4)
MIN_PASSWORD = 8
_MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """`ha1` by algorithm, for `realm`."""

    name: str
    number: str
    display: str
    realm: str
    ha1: dict[str, str]
    added: float = 0.0
    configured: bool = False

    def __repr__(self) -> str:
        return f"User({self.name})"


def make_user(name: str, password: str, realm: str, *, number: str = "", display: str = "", added: float = 0.0) -> User:
    """Raises ConfigError for a name or number that SIP can not carry, or a password that is too short."""
    try:
        check_user_name(name)
        if number and not (number.isascii() and number.replace("+", "").replace("*", "").isalnum()):
            raise ValueError(f"{number!r} is no number")
    except ValueError as exc:
        raise ConfigError("users", str(exc)) from exc
    if len(password) < MIN_PASSWORD:
        raise ConfigError(f"users.{name}", f"its password is shorter than {MIN_PASSWORD} characters")
    ha1 = {algorithm: make_ha1(name, realm, password, algorithm) for algorithm in ALGORITHMS}
    return User(name, number or name, display or name, realm, ha1, added)


def read_secret(key: str, given: SecretStr | None, file: Path | None) -> str:
    """A password of the configuration. Raises ConfigError when its file can not be read or is empty."""
    if given is not None:
        return given.get_secret_value()
    if file is None:
        return ""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(key, f"{file} can not be read: {exc}") from exc
    if not lines or not lines[0].strip():
        raise ConfigError(key, f"{file} is empty: its first line is the password")
    return lines[0].strip()


class UserFile:
    """`users.json`. Written whole, by a new file that takes the old one's place."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE

    def read(self) -> dict[str, User]:
        """Raises ConfigError when it is there and can not be read."""
        try:
            if self.path.stat().st_size > _MAX_FILE_BYTES:
                raise ConfigError("users", f"{self.path} is too large to be a list of users")
            told = json.loads(self.path.read_text(encoding="utf-8"))
            return {name: User(**fields) for name, fields in told["users"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
            raise ConfigError("users", f"{self.path} can not be read: {type(exc).__name__}") from exc

    def write(self, users: Iterable[User]) -> None:
        """Raises ConfigError."""
        text = json.dumps({"version": 1, "users": {user.name: asdict(user) for user in users}}, indent=1)
        fresh = self.path.with_suffix(".new")
        try:
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            owner = self.path.parent.stat()
            if os.geteuid() == 0:  # a technician's sudo: the daemon must be able to read it
                os.chown(fresh, owner.st_uid, owner.st_gid)
            fresh.replace(self.path)
        except OSError as exc:
            raise ConfigError("users", f"{self.path} can not be written: {exc}", code="state-dir") from exc

    def stamp(self) -> tuple[int, int]:
        """Changes when the file does."""
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino


class Users:
    """All users in force. `fresh` reads the file again when it has changed."""

    def __init__(self, config: SipConfig, state_dir: Path) -> None:
        """Raises ConfigError: a password file that can not be read, two users of one number."""
        self._config = config
        self._file = UserFile(state_dir)
        self._configured = self._of_config()
        self._stored: dict[str, User] = {}
        self._stamp = (-1, -1)
        self._numbers: dict[str, str] = {}
        self.problem = ""
        self.folder = state_dir
        """Where its file is, or will be."""
        self.fresh()

    @property
    def stale(self) -> bool:
        """The file is another one than was read. Cheap: `fresh` and its thread are for when it is."""
        return self._file.stamp() != self._stamp

    def fresh(self) -> bool:
        """Whether the users are other ones now. A file that became unreadable leaves those known in force."""
        stamp = self._file.stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._stored = self._file.read()
            self.problem = ""
        except ConfigError as exc:
            self.problem = str(exc)
            log.error("%s", exc)
        # Made whole before it is put in place: this runs in a thread beside the loop.
        self._numbers = {user.number: user.name for user in (*self._stored.values(), *self._configured.values())}
        return True

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> dict[str, User]:
        return {**self._stored, **self._configured}

    def get(self, name: str) -> User | None:
        return self._configured.get(name) or self._stored.get(name)

    def ha1(self, name: str, algorithm: str) -> str | None:
        """None: nobody of that name, or his password was made for another realm."""
        user = self.get(name)
        if user is None or user.realm != self._config.realm:
            return None
        return user.ha1.get(algorithm.upper())

    def of_number(self, number: str) -> str:
        """The user whose number it is, "" for none."""
        return self._numbers.get(number, "")

    def policy(self, name: str) -> UserPolicy:
        return self._config.policy_of(name)

    def misfits(self) -> list[str]:
        """Users whose password was made for another realm: they can not register until it is set anew."""
        return sorted(user.name for user in self._stored.values() if user.realm != self._config.realm)

    def add(self, name: str, password: str, *, number: str = "", display: str = "") -> User:
        """Kept in the file; takes effect at once. Raises ConfigError, Busy (`too-many`)."""
        stored = self._file.read()
        if name not in stored and len(self.all()) >= self._config.max_users:
            raise Busy(f"{self._config.max_users} users are kept (max_users)", code="too-many")
        user = make_user(
            name, password, self._config.realm, number=number, display=display, added=round(time.time(), 3)
        )
        holder = self.of_number(user.number)
        if holder not in ("", name):
            raise ConfigError(f"users.{name}", f"number {user.number} is {holder}'s")
        self._file.write({**stored, name: user}.values())
        self.fresh()
        return user

    def remove(self, name: str) -> None:
        """Raises NotFound; ConfigError for one that the configuration file names."""
        stored = self._file.read()
        if name not in stored:
            if name in self._configured:
                raise ConfigError(f"users.{name}", "stands in the configuration file: remove it there")
            raise NotFound(f"there is no user {name}")
        del stored[name]
        self._file.write(stored.values())
        self.fresh()

    def _of_config(self) -> dict[str, User]:
        made: dict[str, User] = {}
        for name, given in self._config.users.items():
            user = self._one(name, given)
            if user is not None:
                made[name] = user
        numbers = [user.number for user in made.values()]
        for number in numbers:
            if numbers.count(number) > 1:
                raise ConfigError("users", f"two users have the number {number}")
        return made

    def _one(self, name: str, given: UserConfig) -> User | None:
        key = f"users.{name}.password_file"
        password = read_secret(key, given.password, given.password_file)
        if not password:
            return None  # named for its rights only; the file proves it
        made = make_user(name, password, self._config.realm, number=given.number, display=given.name)
        return User(made.name, made.number, made.display, made.realm, made.ha1, configured=True)


__all__ = ["ALGORITHMS", "FILE", "GatewayError", "User", "UserFile", "Users", "make_user", "read_secret"]
