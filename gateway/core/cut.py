"""Work that somebody else may end, with the reason that its owner then reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.base.errors import GatewayError

T = TypeVar("T")


class Cut:
    """For one piece of work, in the task that calls `run`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._why: GatewayError | None = None

    async def run(self, work: Awaitable[T]) -> T:
        """Raises what `work` raises, or the reason that `cut` gave."""
        if (why := self._reason()) is not None:
            close = getattr(work, "close", None)
            if close is not None:
                close()
            raise why
        task = self._task = asyncio.current_task()
        try:
            return await work
        except asyncio.CancelledError:
            # Cancelled by its own side at the same time: that goes on, as a cancellation.
            if (why := self._reason()) is not None and task is not None and task.uncancel() == 0:
                raise why from None
            raise
        finally:
            self._task = None

    def cut(self, why: GatewayError) -> None:
        """End it; the first reason counts."""
        if self._why is None:
            self._why = why
            if self._task is not None:
                self._task.cancel()

    def _reason(self) -> GatewayError | None:
        return self._why
