"""What looks at whole rows: things that the counts of single columns cannot tell.

A watcher sees every batch of rows that is counted, with the values of one row at one position, and
adds its own part to the pane. Watchers cost time beside each model: there is one only where the
configuration asks for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from modelmonitor.collector.observer.answers import ScoreWatcher
from modelmonitor.collector.observer.joint import MomentWatcher
from modelmonitor.collector.observer.repeats import DuplicateWatcher, repeat_watchers
from modelmonitor.core.baseline.profile import ColumnRole
from modelmonitor.core.counting.columns import Values
from modelmonitor.core.counting.novel import hash_key
from modelmonitor.core.wire.configuration import CollectorConfiguration


class RowWatcher(Protocol):
    """Looks at the rows of one pane."""

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows.

        Any value is accepted.

        Parameters
        ----------
        columns
            The values of each configured input (or output), in the configuration's order; where
            one has fewer than `rows`, the others are missing.
        rows
            How many there are.
        """

    def parts(self) -> Mapping[str, Any]:
        """Return what was found so far: values of fields of `Pane`, by name."""


def input_watchers(configuration: CollectorConfiguration | None) -> list[RowWatcher]:
    """Return what looks at the inputs of whole rows."""
    if configuration is None:
        return []
    inputs = [each.name for each in configuration.columns if each.role is ColumnRole.INPUT]
    found: list[RowWatcher] = [*repeat_watchers(configuration, inputs)]
    if configuration.moments:
        found.append(MomentWatcher(configuration.moments, inputs))
    if configuration.checks.duplicates:
        found.append(DuplicateWatcher(hash_key(configuration)))
    return found


def output_watchers(configuration: CollectorConfiguration | None) -> list[RowWatcher]:
    """Return what looks at the outputs of whole rows; they see answers with all outputs only."""
    if configuration is None:
        return []
    outputs = [column.name for column in configuration.columns if column.role.is_output]
    found: list[RowWatcher] = [*repeat_watchers(configuration, outputs)]
    if configuration.scores is not None:
        found.append(ScoreWatcher(configuration.scores, outputs))
    return found
