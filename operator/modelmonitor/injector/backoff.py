"""How long to wait before the next try."""

import secrets
from typing import Final

_DICE: Final = secrets.SystemRandom()
_MAX_DOUBLINGS: Final = 16


class Backoff:
    """Delays that double from try to try, each drawn from the upper half of its range."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def reset(self) -> None:
        """Begin again with the shortest delay."""
        self._failures = 0

    def next(self) -> float:
        """Return the seconds to wait before the next try."""
        delay = min(self._longest, self._first * 2 ** min(self._failures, _MAX_DOUBLINGS))
        self._failures += 1
        return _DICE.uniform(delay / 2, delay)
