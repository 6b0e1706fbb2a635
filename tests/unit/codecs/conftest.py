from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.codecs.rig import Rig, running


@pytest.fixture
def rig() -> Iterator[Rig]:
    with running() as made:
        yield made
