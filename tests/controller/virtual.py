"""An event loop whose time jumps to the next timer: hours pass in milliseconds, always the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

BEGIN = 1_800_000_000.0
"""The wall clock when a virtual loop starts; a multiple of an hour."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: it says how long the loop wanted to wait, so that time can jump."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everything waits for something that never happens")
            self.jumped += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped

    def block(self, seconds: float) -> None:
        """Let time pass in which nothing of the loop runs."""
        self._jumping.jumped += seconds


class VirtualClock:
    """The clock of the running virtual loop."""

    def now(self) -> float:
        return BEGIN + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on virtual time, as a process of its own would."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
