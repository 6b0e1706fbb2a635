"""The doctor's question to conversion: does it work here, and by what? Asked of a worker of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from gateway.config.root import Convert
from gateway.core.budget import machine_cores
from gateway.core.convert_process import environment
from gateway.model.doctor import Finding, Grade

PATIENCE_S = 20.0
EXPECTED = "an H.264 encoder that works"


def check(config: Convert) -> Finding:
    """Takes about half a second."""
    if not config.enabled:
        return Finding("conversion", Grade.OFF, "convert.enabled is off")
    given = json.dumps({"memory": config.memory, "hardware": config.hardware == "auto"})
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "gateway.convert", "probe", "-1", given],
            env=environment(),
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Finding("conversion", Grade.FAIL, "no answer", EXPECTED, "convert-worker-hung")
    except (ValueError, OSError):
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][-200:]
        return Finding("conversion", Grade.FAIL, f"exit {done.returncode}: {said}", EXPECTED, "convert-worker-died")
    encoder, missing = str(told["encoder"]), list(told["missing"])
    cores = config.cores or machine_cores()
    words = f"{encoder or 'no encoder'}, {cores:g} cores, at most {config.max_conversions}"
    if missing or not encoder:
        words += f"; not to be decoded: {', '.join(missing)}" * bool(missing)
        return Finding("conversion", Grade.WARN if encoder else Grade.FAIL, words, EXPECTED, "convert-unavailable")
    return Finding("conversion", Grade.OK, words, EXPECTED)
