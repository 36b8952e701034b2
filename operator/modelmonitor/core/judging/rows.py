"""The rows of a window that may be judged: one revision, one baseline, decoded well enough."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import ColumnGroup, ColumnSelector
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Profile
from modelmonitor.core.judging.judgement import Refusal, undecoded, unwatched
from modelmonitor.core.judging.windows import Tick, Window, decoded_share
from modelmonitor.core.pane.panes import (
    NOTHING,
    ColumnTotals,
    columns_of,
    fits,
    in_cells_of,
    sum_columns,
    sum_traffic,
)
from modelmonitor.core.wire.pane import Pane

COUNTED = frozenset({ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.TEXT})
"""Kinds whose values are counted in cells; of text, the lengths, where the baseline has cuts."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What rows are compared with.

    Attributes
    ----------
    profile
        The baseline.
    digest
        Its name; panes of another one are not comparable.
    revision
        The judged revision.
    """

    profile: Profile
    digest: str
    revision: str
    _summed: dict[tuple[int, ...], tuple[list[Tick], dict[str, ColumnTotals]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def panes(self, tick: Tick) -> list[Pane]:
        """Return the panes of a tick whose rows may be judged."""
        mine = tick.origins.get((self.revision, self.digest), ())
        return [pane for pane in mine if fits(pane, self.profile)]

    def rows_of(self, tick: Tick) -> Mapping[str, ColumnTotals]:
        """Return the totals of every column of the profile in one tick."""
        origin = (self.revision, self.digest)
        if origin not in tick.sums:
            found = columns_of(self.panes(tick))
            tick.sums[origin] = {
                column.name: in_cells_of(column, found.get(column.name))
                for column in self.profile.columns
            }
        return tick.sums[origin]

    def rows(self, ticks: Iterable[Tick]) -> dict[str, ColumnTotals]:
        """Return the totals of every column of the profile over some ticks.

        Metrics that look at the same window share the sum. Its ticks are kept with it, so that no
        other ones have their identities meanwhile.
        """
        taken = list(ticks)
        key = tuple(map(id, taken))
        if key not in self._summed:
            self._summed[key] = (taken, sum_columns(self.rows_of(tick) for tick in taken))
        return self._summed[key][1]

    def column(self, ticks: Iterable[Tick], name: str) -> ColumnTotals:
        """Return the totals of one column of the profile over some ticks."""
        return sum_columns({name: self.rows_of(tick)[name]} for tick in ticks)[name]

    def count(self, tick: Tick) -> int:
        """Return the rows of a tick: those of its fullest column."""
        return max((totals.rows for totals in self.rows_of(tick).values()), default=0)

    def since(self, ticks: Sequence[Tick]) -> list[Tick]:
        """Return the ticks from the first one on that holds judgeable panes; the last if none."""
        for number, tick in enumerate(ticks):
            if (self.revision, self.digest) in tick.origins:
                return list(ticks[number:])
        return list(ticks[-1:])

    def refuse(self, window: Window) -> Refusal | None:
        """Return why the rows of a window cannot be judged; None if they can."""
        refusal = unwatched(window) or self._mixed(window.ticks[-1])
        if refusal is not None:
            return refusal
        traffic = sum_traffic(
            tick.traffic_by_revision.get(self.revision, NOTHING) for tick in window.ticks
        )
        return undecoded(traffic, decoded_share(traffic))

    def usable(self, tick: Tick) -> bool:
        """Return whether a tick's rows may become evidence."""
        return self.refuse(Window((tick,), full=True)) is None

    def _served(self, tick: Tick) -> list[Pane]:
        """Return the panes of the judged revision, whatever baseline they count by."""
        return [pane for pane in tick.distinct if pane.revision == self.revision]

    def _mixed(self, tick: Tick) -> Refusal | None:
        mine = self._served(tick)
        others = {pane.revision for pane in tick.panes} - {self.revision}
        if not mine:
            if others:
                return Refusal(
                    VerdictReason.MIXED_REVISIONS,
                    f"only revision {min(others)} sent data, revision {self.revision} is judged",
                )
            return None
        ready = len(self.panes(tick))
        if ready == 0:
            return Refusal(VerdictReason.WARMING_UP, "collectors do not count by this baseline yet")
        if ready < len(mine):
            return Refusal(
                VerdictReason.MIXED_BASELINES,
                f"{ready} of {len(mine)} collectors count by this baseline",
            )
        return None


def selected(profile: Profile, selector: ColumnSelector) -> list[ColumnProfile]:
    """Return the columns of the profile that a selector names, in serving order."""
    if selector.names is not None:
        return [column for column in profile.columns if column.name in selector.names]
    match selector.group:
        case ColumnGroup.INPUTS:  # and what is computed of them
            return [column for column in profile.columns if not column.role.is_output]
        case ColumnGroup.OUTPUTS:
            return profile.outputs
        case _:
            return list(profile.columns)


def missing_columns(profile: Profile, metric: Metric) -> Refusal | None:
    """Return why the columns that a metric names cannot be looked at; None if they can."""
    known = {column.name for column in profile.columns}
    wanted: list[str] = []
    options = metric.drift or metric.data_quality
    named = metric.distance or metric.statistic
    if options is not None and options.columns is not None:
        wanted = options.columns.names or []
        if not selected(profile, options.columns) and not wanted:
            return Refusal(
                VerdictReason.COLUMN_NOT_IN_BASELINE,
                f"the baseline has no column in group {options.columns.group}",
            )
    elif named is not None:
        wanted = [named.column]
    absent = [name for name in wanted if name not in known]
    if absent:
        return Refusal(
            VerdictReason.COLUMN_NOT_IN_BASELINE,
            f"the baseline has no column {', '.join(absent[:3])}: it has "
            f"{', '.join(sorted(known)[:10])}",
        )
    return None


def counted(columns: Iterable[ColumnProfile]) -> list[ColumnProfile]:
    """Return the columns with values in cells."""
    return [column for column in columns if column.kind in COUNTED and sum(column.cells) > 0]


def most_rows(rows: Mapping[str, ColumnTotals], columns: Iterable[ColumnProfile]) -> int:
    """Return the rows of the fullest of some columns."""
    return max((rows[column.name].rows for column in columns), default=0)
