"""Whatever ends the talk of a kit and its center, it is begun anew, and both ends show the truth meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from adapters.uplink import kit, kit_session
from adapters.uplink.line import Line
from gateway.base.errors import Busy, GatewayError, LinkDown, first
from gateway.model.ids import DeviceId
from gateway.model.kit import KitState
from tests.unit.uplink.rig import FRONT, VERA, Pair, a_pair, until


def _shown(pair: Pair) -> tuple[KitState, str]:
    """The center, as its kit shows it."""
    (center,) = pair.kit.core.fleet.kits(VERA)[0].centers
    return center.state, center.code


@pytest.mark.parametrize("wrong", [Busy("full", code="store-busy"), RuntimeError("a mistake of ours")])
async def test_a_conversation_that_breaks_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Exception
) -> None:
    monkeypatch.setattr(kit, "AGAIN_S", 0.05)
    async with a_pair(tmp_path) as pair:
        await pair.here()
        home, broken = type(pair.kit.core.home), [wrong]
        real = home.positions

        def positions(self: Any, who: Any) -> Any:
            if self is pair.kit.core.home and broken:
                raise broken.pop()
            return real(self, who)

        monkeypatch.setattr(home, "positions", positions)
        conversations = pair.kit.engine.did("bundle_dial")
        pair.net.down("kit7", "link-down")
        pair.net.connect("kit7")
        await until("it broke", lambda: not broken)
        await pair.here()
        await until("the kit is content", lambda: _shown(pair) == (KitState.ONLINE, ""))
        # And it is told again what changes.
        await pair.kit.core.devices.rename(DeviceId("kit7/ball-1"), "Gate")
        directory = pair.center.core.directory
        await until("the new name", lambda: [one.name for one in directory.devices(VERA)] == ["Gate"])
        assert pair.net.upped == 2 and pair.kit.engine.did("bundle_dial") == conversations, "on the same bundle"


async def test_a_kit_that_does_not_speak_is_not_shown_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "AGAIN_S", 3600.0)
    monkeypatch.setattr(kit, "LONGEST_S", 3600.0)
    async with a_pair(tmp_path) as pair:
        await until("the picture is offered", lambda: pair.center.core.streams.has(FRONT))
        fleet = pair.center.core.fleet
        session = pair.kit.adapter._calls["county"][1]._kit  # type: ignore[union-attr]
        assert session is not None and session._rpc is not None
        line = session._rpc
        assert isinstance(line, Line)
        line._sock.shutdown(socket.SHUT_RDWR)
        await until("the center says so", lambda: fleet.kit(VERA, "kit7").code == "kit-unreachable")
        await until("the kit says so", lambda: _shown(pair)[0] is KitState.OFFLINE)
        # Its paths may come and go: that makes nobody speak.
        pair.net.mend()
        await until("told", lambda: fleet.kit(VERA, "kit7").state is KitState.OFFLINE)
        with pytest.raises(LinkDown):
            await fleet.known("kit7").carrying().snapshot(FRONT)  # type: ignore[union-attr]


async def test_a_next_key_is_told_until_the_center_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_session, "KEY_AGAIN_S", 0.05)
    async with a_pair(tmp_path) as pair:
        await pair.here()
        repo, tries = pair.center.core.pairings._repo, list[int]()
        put = repo.put_kit

        async def full(row: Any) -> None:
            tries.append(1)
            if len(tries) < 3:
                raise GatewayError("no room", code="disk-full")
            await put(row)

        monkeypatch.setattr(repo, "put_kit", full)
        ours, before = pair.kit.core.pairings, pair.kit.core.pairings.public_key()
        await ours.renew_key()
        await until("it was refused", lambda: tries)
        assert _shown(pair)[0] is KitState.ONLINE, "a key that has to wait ends nothing"
        await until("the new key is the kit's own", lambda: not ours.next_key() and ours.public_key() != before)
        await pair.here()


async def test_a_notice_that_is_too_large_ends_nothing(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.here()
        session = pair.kit.adapter._calls["county"][1]._kit  # type: ignore[union-attr]
        assert session is not None
        line = session._rpc
        assert isinstance(line, Line) and not line.notice("links", {"links": ["x" * 4000] * 400})
        assert line.notice("links", {"links": []})


def test_of_what_ended_a_group_the_refusal_is_told() -> None:
    down, refused = LinkDown("the line ended"), GatewayError("no room", code="disk-full")
    assert first(BaseExceptionGroup("", [down, BaseExceptionGroup("", [refused])])) is refused
    assert first(BaseExceptionGroup("", [down])) is down
