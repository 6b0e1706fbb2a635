"""The doctor's questions to the machine: clock, disk, addresses, memory, sockets, processor, crypto.

Each answer says what was measured and what was expected. None needs the daemon, none takes longer than a few
milliseconds, and none changes anything.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import socket
import time
from pathlib import Path

from gateway.base.moment import BUILT
from gateway.core.addresses import own_addresses
from gateway.model.doctor import Finding, Grade

DISK_LOW_BYTES, DISK_FULL_BYTES = 1_000_000_000, 100_000_000
MEMORY_LOW_BYTES = 200_000_000
FILES_WANTED = 4096
SOCKET_BUFFER_WANTED = 4_194_304
STA_UNSYNC = 0x0040  # <linux/timex.h>
SOL_UDP_SEGMENT = 103  # <linux/udp.h>


def checks(state_dir: Path) -> list[Finding]:
    """Everything about this machine, in the order a technician reads it."""
    return [
        addresses(),
        clock(),
        disk(state_dir),
        memory(),
        open_files(),
        socket_buffers(),
        gso(),
        processor(),
        crypto(),
    ]


def addresses() -> Finding:
    own = own_addresses()
    if own == ["127.0.0.1"]:
        return Finding("addresses", Grade.WARN, "only loopback", "an address on the kit's network", "no-address")
    return Finding("addresses", Grade.OK, ", ".join(own[:6]))


def clock() -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < BUILT:
        return Finding("clock", Grade.FAIL, shown, "the time of day", "clock-unsynced")
    synchronised = _kernel_clock_synchronised()
    if synchronised is None:
        return Finding("clock", Grade.OK, f"{shown}, synchronisation not known")
    if not synchronised:
        return Finding(
            "clock", Grade.WARN, f"{shown}, not synchronised", "synchronised by NTP or GNSS", "clock-unsynced"
        )
    return Finding("clock", Grade.OK, f"{shown}, synchronised")


def _kernel_clock_synchronised() -> bool | None:
    """What the kernel says (adjtimex(2), modes 0: reads only); None where it may not be asked."""
    # struct timex is 208 bytes on 64-bit Linux; `status` is the fifth field, after int modes and three longs.
    buffer = ctypes.create_string_buffer(256)
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    if answer < 0 or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    status = int.from_bytes(buffer.raw[40:44], "little")
    return not status & STA_UNSYNC


def disk(state_dir: Path) -> Finding:
    place = next(folder for folder in (state_dir, *state_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    told = f"{_size(free)} free on {place}"
    if not os.access(place, os.W_OK):
        return Finding("disk", Grade.FAIL, f"{place} can not be written", "a state directory of our own", "state-dir")
    if free < DISK_FULL_BYTES:
        return Finding("disk", Grade.FAIL, told, f"at least {_size(DISK_LOW_BYTES)}", "disk-full")
    if free < DISK_LOW_BYTES:
        return Finding("disk", Grade.WARN, told, f"at least {_size(DISK_LOW_BYTES)}", "disk-low")
    return Finding("disk", Grade.OK, told)


def memory() -> Finding:
    fields = dict(line.split(":", 1) for line in _read("/proc/meminfo").splitlines() if ":" in line)
    available = int(fields.get("MemAvailable", "0 kB").split()[0]) * 1024
    if 0 < available < MEMORY_LOW_BYTES:
        wanted = f"at least {_size(MEMORY_LOW_BYTES)}"
        return Finding("memory", Grade.WARN, f"{_size(available)} available", wanted, "memory-low")
    return Finding("memory", Grade.OK, f"{_size(available)} available")


def open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < FILES_WANTED:
        return Finding("open files", Grade.WARN, f"at most {hard}", f"at least {FILES_WANTED}", "few-files")
    return Finding("open files", Grade.OK, f"{soft} of at most {hard}")


def socket_buffers() -> Finding:
    """A 4 Mb/s camera's key frame arrives in a burst; a small buffer loses its tail."""
    largest = int(_read("/proc/sys/net/core/rmem_max") or 0)
    if 0 < largest < SOCKET_BUFFER_WANTED:
        return Finding(
            "receive buffers", Grade.WARN, f"at most {_size(largest)}", _size(SOCKET_BUFFER_WANTED), "small-buffers"
        )
    return Finding("receive buffers", Grade.OK, f"at most {_size(largest)}" if largest else "not told by this kernel")


def gso() -> Finding:
    """Whether the kernel cuts one large send into packets (UDP_SEGMENT); without it sending costs 2 to 3 times."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_UDP, SOL_UDP_SEGMENT, 1200)
        except OSError as error:
            return Finding("UDP_SEGMENT", Grade.WARN, f"refused: {error.strerror}", "Linux 4.18 or newer", "slow-sends")
    return Finding("UDP_SEGMENT", Grade.OK, "yes")


def processor() -> Finding:
    """AES in hardware: x86 `aes`, ARMv8 `aes` and `pmull`."""
    text = _read("/proc/cpuinfo")
    line = next((row for row in text.splitlines() if row.lower().startswith(("flags", "features"))), "")
    flags = set(line.partition(":")[2].split())
    told = " ".join(name for name in ("aes", "vaes", "pclmulqdq", "vpclmulqdq", "pmull", "avx2") if name in flags)
    cores = os.cpu_count() or 1
    if "aes" not in flags:
        return Finding(
            "processor", Grade.WARN, f"{cores} cores, no AES instructions", "AES instructions", "slow-crypto"
        )
    return Finding("processor", Grade.OK, f"{cores} cores, {told}")


def crypto() -> Finding:
    """The media plane itself: whether it is there, and which SRTP library it uses."""
    try:
        from gateway import codecs
    except ImportError as error:
        return Finding("media plane", Grade.FAIL, str(error), "gateway.codecs of this version", "not-installed")
    return Finding("media plane", Grade.OK, f"{codecs.VERSION}, {codecs.crypto_backend()}")


def _read(file: str) -> str:
    try:
        return Path(file).read_text()
    except OSError:
        return ""


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
