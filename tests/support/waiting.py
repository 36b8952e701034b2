"""Waiting for what must come true: polling with a deadline, never a bare sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def wait_until(
    what: str,
    check: Callable[[], Result | None],
    timeout: float,
    every: float = 0.25,
    explain: Callable[[], str] = str,
) -> Result:
    """Return the first true result of `check`.

    Raises
    ------
    AssertionError
        If there is none after `timeout` seconds; `explain` adds what was seen last.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {timeout:g} s\n{explain()}")
        time.sleep(every)
