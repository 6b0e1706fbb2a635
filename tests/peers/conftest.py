"""What several of the tests against other programs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.stage import ports


@pytest.fixture
def sipp_port() -> Iterator[int]:
    """Free for UDP and TCP, and nobody else's meanwhile: one that the kernel gives for UDP may wait on as TCP's."""
    with ports() as free:
        yield free.phones
