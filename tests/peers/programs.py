"""Programs that we did not write, as the tests need them: there, or a failure in CI and a named skip elsewhere."""

from __future__ import annotations

import os
import shutil

import pytest


def need(*names: str) -> None:
    """Skip, saying which program is missing; with CI=true a missing one is a failure."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    words = f"{', '.join(missing)} not installed: run `make peers`"
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)
