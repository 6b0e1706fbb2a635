"""What the kernel tells of by itself, for those who would have to look again and again: a folder that changed, a clock
that was set. Raises OSError where it does not; then it is looked at by the clock alone."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

# linux/inotify.h
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_IGNORED = 0x8000
_ORDER = sys.byteorder
# linux/timerfd.h: flags of timerfd_settime(2)
_ABSOLUTE, _CANCEL_ON_SET = 1, 2
_FAR_S = 2**33 if ctypes.sizeof(ctypes.c_long) > 4 else 2**31 - 1


class _Timespec(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


def _asked(name: str, *args: object) -> int:
    """A call of the C library. Raises OSError."""
    answer = int(getattr(ctypes.CDLL(None, use_errno=True), name)(*args))
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return answer


class _News(ABC):
    """A descriptor that is read when the kernel has something to tell."""

    def __init__(self, fd: int, called: Callable[[], None]) -> None:
        self._fd = fd
        self._called = called
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._readable)

    @property
    def open(self) -> bool:
        """It tells still."""
        return self._fd >= 0

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    @abstractmethod
    def _readable(self) -> None: ...


class FolderNews(_News):
    """`called` when a file of `folder` was written, made, renamed or removed; on the loop, often once for several.
    A folder that is removed tells no more: `open` is false then."""

    def __init__(self, folder: Path, called: Callable[[], None]) -> None:
        fd = _asked("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _asked("inotify_add_watch", fd, os.fsencode(folder), _MASK)
        except OSError:
            os.close(fd)
            raise
        super().__init__(fd, called)

    def _readable(self) -> None:
        gone = False
        try:
            while data := os.read(self._fd, 65_536):
                at = 0
                while at + 16 <= len(data):
                    # struct inotify_event: wd, mask, cookie, length of the name
                    gone |= bool(int.from_bytes(data[at + 4 : at + 8], _ORDER) & _IGNORED)
                    at += 16 + int.from_bytes(data[at + 12 : at + 16], _ORDER)
        except BlockingIOError:
            pass
        except OSError:
            gone = True
        if gone:
            self.close()
        self._called()


class ClockNews(_News):
    """`called` when the wall clock was set, or the machine slept: on the loop, at once. A clock that is slewed is not
    set."""

    def __init__(self, called: Callable[[], None]) -> None:
        super().__init__(_asked("timerfd_create", time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC), called)
        try:
            self._arm()
        except OSError:
            self.close()
            raise

    def _arm(self) -> None:
        # timerfd_create(2), TFD_TIMER_CANCEL_ON_SET: a timer that never rings is cancelled by a discontinuous change.
        when = _Itimerspec(_Timespec(0, 0), _Timespec(_FAR_S, 0))
        _asked("timerfd_settime", self._fd, _ABSOLUTE | _CANCEL_ON_SET, ctypes.byref(when), None)

    def _readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        except OSError:  # ECANCELED: that is the news
            try:
                self._arm()
            except OSError:
                self.close()
        else:
            self.close()  # it rang: the clock shows a time that is farther than we thought, and would at once again
        self._called()
