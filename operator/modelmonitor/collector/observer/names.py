"""Names of inputs that the baseline does not know: told only where most requests have them.

Names are keys of what callers send. An object whose keys are users' ids must neither fill the
memory nor become known, so that a name is told only if half of a pane's requests have it, and at
least two.
"""

from collections.abc import Iterable
from typing import Any, Final

from modelmonitor.core.counting.novel import NovelTable, revealed
from modelmonitor.core.wire.pane import NameCounts

LEAST_REQUESTS: Final = 2


class NameTally:
    """Counts unexpected names, in bounded memory."""

    def __init__(self) -> None:
        self._requests = 0
        self._table: NovelTable | None = None

    def add(self, names: Iterable[str]) -> None:
        """Take the unexpected names of one request that names its inputs."""
        self._requests += 1
        for name in names:
            if self._table is None:
                self._table = NovelTable()
            self._table.add(name, 1)

    def parts(self) -> dict[str, Any]:
        """Return what was found so far: values of fields of `Pane`, by name."""
        return {"names": NameCounts(requests=self._requests, unexpected=self._frequent())}

    def _frequent(self) -> dict[str, int]:
        if self._table is None:
            return {}
        least = max(LEAST_REQUESTS, self._requests / 2)
        counted = self._table.counts(revealed).items()
        return {name: min(times, self._requests) for name, times in counted if times >= least}
