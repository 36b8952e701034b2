"""Counting the joint moments of rows, one counter a view."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelmonitor.core.counting.columns import Values
from modelmonitor.core.counting.moment_views import MomentView
from modelmonitor.core.counting.moments import MomentCounter


class MomentWatcher:
    """Counts the views of a configuration.

    Parameters
    ----------
    views
        The views.
    inputs
        Names of the inputs, in the configuration's order.
    """

    def __init__(self, views: Sequence[MomentView], inputs: Sequence[str]) -> None:
        self._counters = {view.name: MomentCounter(view, inputs) for view in views}

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows."""
        for counter in self._counters.values():
            counter.add(columns, rows)

    def parts(self) -> Mapping[str, Any]:
        """Return the pane's `moments`."""
        return {"moments": {name: each.counts() for name, each in self._counters.items()}}
