"""The emulator's program (codecs/examples/linkemu), and whether this machine can run it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "codecs"
SOURCES = CRATE / "examples" / "linkemu"
BUILT = [CRATE / "target" / profile / "examples" / "linkemu" for profile in ("release", "debug")]


class Unable(RuntimeError):
    """This machine can't emulate links; the words say what is missing and the cure, in English and Chinese."""


@cache
def missing() -> str:
    """What this machine lacks, with the cure; empty: nothing."""
    if os.geteuid() != 0:
        return (
            "emulated links need root, for network namespaces and TUN: run it with sudo (sudo -E make …). "
            "模拟链路需要 root 权限（网络命名空间与 TUN）：请用 sudo 运行（sudo -E make …）。"
        )
    if not Path("/dev/net/tun").exists():
        return (
            "/dev/net/tun is missing: modprobe tun, or give the container --device /dev/net/tun --cap-add NET_ADMIN. "
            "缺少 /dev/net/tun：请执行 modprobe tun；容器请加 --device /dev/net/tun --cap-add NET_ADMIN。"
        )
    if shutil.which("ip") is None:
        return "ip is missing: apt-get install iproute2. 缺少 ip 命令：请执行 apt-get install iproute2。"
    made = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    if made.returncode:
        return (
            f"no network namespace can be made here ({made.stderr.strip()}): a container needs --cap-add SYS_ADMIN. "
            "此环境不能创建网络命名空间：容器需要 --cap-add SYS_ADMIN。"
        )
    return ""


def able() -> None:
    """Raises Unable where links can't be emulated."""
    if lacking := missing():
        raise Unable(lacking)


def skip_unless_able() -> None:
    """For tests. With CI=true what is missing is a failure."""
    if lacking := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)


@cache
def linkemu() -> str:
    """The newest build that is not older than its source; built (some seconds) where there is none."""
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    for path in BUILT:
        if path.exists() and path.stat().st_mtime >= newest:
            return str(path)
    print(
        "正在编译链路模拟器（首次约一分钟）… Building the link emulator (the first time: about a minute) …", flush=True
    )
    command = ["cargo", "build", "--quiet", "--locked", "--no-default-features", "--example", "linkemu"]
    subprocess.run(command, cwd=CRATE, check=True)
    # Cargo leaves the file as it is where only the date of a source is new.
    os.utime(BUILT[1])
    return str(BUILT[1])
