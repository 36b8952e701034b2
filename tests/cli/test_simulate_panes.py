"""Panes of the past are those that collectors would have sent."""

from typing import Any, Final

import numpy as np
import pytest

from modelmonitor.cli.simulate_panes import PaneMaker
from modelmonitor.cli.simulate_rows import Batch
from modelmonitor.core.baseline.profile import ColumnRole, Profile
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.wire.pane import Pane
from tests.core.monitoring import EPOCH, INTERVAL, drift, spec_of
from tests.core.observing import configuration_of, observed

ROWS: Final = 500
SHARE: Final[dict[str, Any]] = {
    "type": "Statistic",
    "statistic": {"column": "temp", "of": "ShareAbove", "value": "1.5"},
    "threshold": {"operator": "GreaterThan", "warning": "0.5"},
}


def table(seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    temp = draw.normal(size=ROWS)
    temp[:20] = np.nan
    return {
        "temp": temp,
        "carrier": [("AA", "B6", "new")[each] for each in draw.integers(0, 3, ROWS)],
        "predicted": draw.integers(0, 2, ROWS),
    }


@pytest.fixture(scope="module")
def profile() -> Profile:
    draw = np.random.default_rng(2)
    rows = 5000
    return build_profile(
        {
            "temp": draw.normal(size=rows),
            "carrier": [("AA", "B6")[each] for each in draw.integers(0, 2, rows)],
            "predicted": draw.integers(0, 2, rows),
        },
        outputs=[OutputColumn(column="predicted", role=ColumnRole.LABEL)],
    )


def made(profile: Profile, batches: list[Batch]) -> list[tuple[Pane, int]]:
    configuration = configuration_of(profile, spec_of(drift(), SHARE))
    maker = PaneMaker(configuration, ["carrier", "other", "predicted", "temp"])
    return list(maker.panes(iter(batches)))


def test_a_pane_counts_what_a_collector_counts(profile: Profile) -> None:
    rows = table(1)
    times = EPOCH + np.sort(np.random.default_rng(0).uniform(0, INTERVAL, ROWS))

    ((pane, done),) = made(profile, [Batch(times, rows)])

    seen = observed(profile, spec_of(drift(), SHARE), 0, rows)
    assert done == pane.requests.seen == ROWS
    assert (pane.start, pane.end) == (seen.start, seen.end)
    assert set(pane.columns) == set(seen.columns)
    for name, counts in seen.columns.items():
        mine = pane.columns[name]
        assert mine.cells == counts.cells
        assert (mine.rows, mine.missing, mine.unknown) == (
            counts.rows,
            counts.missing,
            counts.unknown,
        )
        assert mine.marks == counts.marks
        assert mine.total == pytest.approx(counts.total)
    assert pane.columns["temp"].marks


def test_ticks_do_not_depend_on_how_rows_come_in_pieces(profile: Profile) -> None:
    rows = table(3)
    times = EPOCH + np.linspace(0, 5 * INTERVAL, ROWS, endpoint=False)
    whole = made(profile, [Batch(times, rows)])

    pieces = [
        Batch(
            times[start : start + 33],
            {name: each[start : start + 33] for name, each in rows.items()},
        )
        for start in range(0, ROWS, 33)
    ]

    assert [done for _, done in whole] == [100, 200, 300, 400, 500]
    for (left, _), (right, _) in zip(whole, made(profile, pieces), strict=True):
        assert left.start == right.start
        assert {name: each.cells for name, each in left.columns.items()} == {
            name: each.cells for name, each in right.columns.items()
        }


def test_a_row_at_the_edge_belongs_to_the_tick_that_begins(profile: Profile) -> None:
    rows = {name: each[:2] for name, each in table(1).items()}
    times = np.array([EPOCH + INTERVAL - 0.5, EPOCH + INTERVAL])

    assert [pane.start for pane, _ in made(profile, [Batch(times, rows)])] == [
        EPOCH,
        EPOCH + INTERVAL,
    ]
