"""One gateway a state directory: a lock that ends with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.base.errors import ConfigError


def held(state_dir: Path) -> int:
    """The lock as an open file, to be closed at the end. Raises ConfigError when another gateway has it."""
    fd = os.open(state_dir / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        text = f"another gateway runs on {state_dir}: stop it, or name another folder"
        raise ConfigError("gateway.state_dir", text) from None
    return fd
