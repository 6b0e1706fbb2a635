"""Why a device can not be captured, in the words that its driver's answer means."""

from __future__ import annotations

import errno

import pytest

from adapters.local.process import _why


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EBUSY, "local-busy"),
        (errno.EACCES, "local-denied"),
        (errno.ENODEV, "local-unplugged"),
        (errno.ENOENT, "local-unplugged"),
    ],
)
def test_what_a_driver_answers(number: int, code: str) -> None:
    told = _why({"ev": "unplugged", "kind": "video", "errno": number, "detail": "/dev/video0"})
    assert told.code == code
