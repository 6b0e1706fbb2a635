"""The doctor asks a real worker."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from gateway.config.root import Convert
from gateway.core import convert_check
from gateway.model.doctor import Grade


def test_it_works_here_or_is_switched_off() -> None:
    found = convert_check.check(Convert(cores=2.5, max_conversions=7))
    assert found.grade is Grade.OK and "2.5 cores, at most 7" in found.measured, found
    assert convert_check.check(Convert(hardware="off")).measured.startswith("libx264")
    assert convert_check.check(Convert(enabled=False)).grade is Grade.OFF


@pytest.mark.parametrize(
    ("stdout", "grade", "code"),
    [
        (b'{"encoder": "libx264", "missing": ["h265"]}', Grade.WARN, "convert-unavailable"),
        (b'{"encoder": "", "missing": []}', Grade.FAIL, "convert-unavailable"),
        (b"", Grade.FAIL, "convert-worker-died"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, stdout: bytes, grade: Grade, code: str) -> None:
    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 1, stdout, b"first\nImportError: libx264.so")

    monkeypatch.setattr(subprocess, "run", run)
    found = convert_check.check(Convert())
    assert (found.grade, found.code) == (grade, code)
    assert "ImportError" in found.measured or stdout
