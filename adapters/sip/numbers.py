"""The number plan: what a dialled number means. Sans-IO.

Order: the plan's own entries, the users' numbers, the talk groups' numbers, patterns that lead to trunks. A number that
none of them knows leads nowhere: there is no default route, so nobody phones the world by accident or by fraud.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from adapters.sip.routing import Target
from gateway.base.errors import NotFound
from gateway.model.ids import is_slug
from gateway.model.voice import TALK

MAX_DIGITS = 64
_SEPARATORS = re.compile(r"[\s().\-]")
_DIALLED = re.compile(r"\+?[0-9*#]{1,63}")
_ALIASES = 4


class Rule(Protocol):
    """What `Rewrite` and `RouteRule` of the configuration have in common."""

    @property
    def pattern(self) -> str: ...
    @property
    def strip(self) -> int: ...
    @property
    def prepend(self) -> str: ...


class OutRule(Rule, Protocol):
    @property
    def trunks(self) -> Sequence[str]: ...


def fits(pattern: str, number: str) -> bool:
    """Whether the number is one of the pattern's: `X` a digit, `[2-9]` a choice, `.` at the end one or more of
    anything."""
    return re.fullmatch(_regex(pattern), number) is not None


def _regex(pattern: str) -> str:
    body = pattern.removesuffix(".")
    out = "".join(
        piece if piece.startswith("[") else "[0-9]" if piece == "X" else re.escape(piece)
        for piece in re.findall(r"\[[^\]]*\]|.", body)
    )
    return out + ".+" if pattern.endswith(".") else out


def rewritten(rules: Sequence[Rule], number: str) -> str:
    """The number after the first rule that fits it."""
    for rule in rules:
        if fits(rule.pattern, number):
            return rule.prepend + number[rule.strip :]
    return number


def dialled(text: str) -> str:
    """A user part as a number: escapes and visual separators undone (RFC 3966 §5.1.1), `tel:` parameters cut off.

    Text that is no number (`ball-1/ch1`, a user's name) comes back as it is, cut at 64 characters.
    """
    text = unquote(text, errors="replace").partition(";")[0].strip()
    plain = _SEPARATORS.sub("", text)
    return plain if _DIALLED.fullmatch(plain) else text[:MAX_DIGITS]


@dataclass(frozen=True, slots=True)
class Habits:
    """How numbers are written on one trunk."""

    international: str = "00"
    national: str = "0"
    country: str = ""

    def e164(self, number: str) -> str:
        """`0086…`, `+86…` and `0…` as `+86…`, where the country is known; a short number stays as it is."""
        if number.startswith("+"):
            return number
        if self.international and number.startswith(self.international) and len(number) > 7:
            return "+" + number[len(self.international) :]
        if self.country and self.national and number.startswith(self.national) and len(number) > 7:
            return f"+{self.country}{number[len(self.national) :]}"
        return number

    def home(self, number: str) -> str:
        """A number of our own country as it is dialled there: `+8610…` is `010…`; others unchanged."""
        if self.country and number.startswith(f"+{self.country}"):
            return self.national + number[1 + len(self.country) :]
        return number


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a number leads to: a target of the kit's own, a user's phones, or trunks with the number to send there."""

    target: Target
    user: str = ""
    trunks: tuple[str, ...] = ()
    number: str = ""  # to be sent to the trunks, before each trunk's own rewriting
    emergency: bool = False


class NumberPlan:
    """`users` gives the user of a number ("" for none), `resolve` a group's id (raises NotFound)."""

    def __init__(
        self,
        gateway: str,
        *,
        numbers: Mapping[str, str],
        routes: Sequence[OutRule],
        emergency: Sequence[str],
        users: Callable[[str], str],
        resolve: Callable[[str], str],
    ) -> None:
        self._gateway = gateway
        self._numbers = {dialled(number): text for number, text in numbers.items()}
        self._routes = tuple(routes)
        self._emergency = frozenset(dialled(number) for number in emergency)
        self._users = users
        self._resolve = resolve

    def find(self, number: str) -> Meaning:
        """Raises NotFound `no-route`."""
        number = dialled(number)
        emergency = number in self._emergency
        for _ in range(_ALIASES):
            text = self._numbers.get(number)
            if text is None:
                break
            found = self.of_text(text, emergency=emergency)
            if isinstance(found, Meaning):
                return found
            number = found
        return self._dial(number, emergency)

    def of_text(self, text: str, *, emergency: bool = False) -> Meaning | str:
        """The meaning of a configured target: `talk/ops`, `ball-1/ch1`, `listen:ball-1/ch1`, `console`, `user:anna`;
        another number comes back as such."""
        word = text.strip()
        if word == "console":
            return Meaning(Target("console"), emergency=emergency)
        if word.startswith("user:"):
            user = word.removeprefix("user:")
            return Meaning(Target("number", user), user=user, emergency=emergency)
        talk = not word.startswith("listen:")
        own = self._own_id(word.removeprefix("listen:"))
        if own is not None:
            kind, ref = own
            if kind == TALK:
                return Meaning(Target("group", ref, may_talk=talk), emergency=emergency)
            return Meaning(Target("channel", ref, may_talk=talk), emergency=emergency)
        return dialled(word)

    def configured(self, text: str) -> Meaning:
        """The meaning of a configured target, followed to its end. Raises NotFound `no-route`."""
        found = self.of_text(text)
        return found if isinstance(found, Meaning) else self.find(found)

    def _dial(self, number: str, emergency: bool) -> Meaning:
        user = self._users(number)
        if user:
            return Meaning(Target("number", number), user=user, emergency=emergency)
        own = self._own_id(number)
        if own is not None and own[0] != TALK:
            return Meaning(Target("channel", own[1]), emergency=emergency)
        try:
            return Meaning(Target("group", self._resolve(number)), emergency=emergency)
        except NotFound:
            pass
        for rule in self._routes:
            if _DIALLED.fullmatch(number) and fits(rule.pattern, number):
                out = rule.prepend + number[rule.strip :]
                return Meaning(Target("number", number), trunks=tuple(rule.trunks), number=out, emergency=emergency)
        raise NotFound(f"{number[:MAX_DIGITS]!r} is no number of the plan", code="no-route")

    def _own_id(self, text: str) -> tuple[str, str] | None:
        """`(first part, full id)` of `device/channel` or `gateway/device/channel`; None for what is no id of ours."""
        parts = text.split("/")
        if len(parts) == 3 and parts[0] == self._gateway:
            parts = parts[1:]
        if len(parts) != 2 or not all(is_slug(part) for part in parts):
            return None
        return parts[0], "/".join((self._gateway, *parts))
