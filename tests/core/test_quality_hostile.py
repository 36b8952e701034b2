"""Whatever a sound pane tells, every check and every statistic ends in a verdict."""

import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.baseline.profile import Profile, digest
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.judging.verdict import Outcome
from modelmonitor.core.pane.soundness import is_sound
from modelmonitor.core.wire.pane import (
    ROWS,
    ColumnCounts,
    DistinctCounts,
    MarkCounts,
    NameCounts,
    Pane,
)
from tests.core.monitoring import pane, run, spec_of, steady, tick

CELLS = {"x": 23, "c": 4, "t": 23}


@pytest.fixture(scope="module")
def profile() -> Profile:
    draw = np.random.default_rng(0)
    return build_profile(
        {
            "x": draw.normal(0, 1, 3000),
            "c": draw.choice(["a", "b", "d"], 3000).tolist(),
            "t": ["t" * int(size) + str(size) for size in draw.uniform(1, 99, 3000)],
        }
    )


SKETCHES = (b"", b"no sketch", zlib.compress(bytes(4096)), zlib.compress(b"\xff" * 4096))


class Liar:
    """Says anything that a sound pane may hold: often 0, often as much as there can be."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)

    def count(self, most: int = 2**48) -> int:
        """Return a count."""
        choices = (0, 1, int(self._draw.integers(0, min(most, 1000) + 1)), most)
        return choices[int(self._draw.integers(len(choices)))]

    def column(self, name: str) -> ColumnCounts:
        """Return a column's counts, which need not fit together."""
        few = self._draw.random() < 0.5
        cells = [self.count(50 if few else 2**48) for _ in range(CELLS[name])]
        marks = [MarkCounts(value=0.5, below=self.count(min(sum(cells), 2**48)))]
        sign = float(self._draw.choice([-1.0, 1.0]))
        return ColumnCounts(
            rows=self.count(),
            missing=self.count(),
            mismatched=self.count(),
            infinite=self.count(),
            below=self.count(),
            above=self.count(),
            unknown=self.count(),
            empty=None if self._draw.random() < 0.2 else self.count(),
            cells=cells,
            total=sign * 10 ** float(self._draw.uniform(-300, 110)),
            squares=sign * 10 ** float(self._draw.uniform(-300, 210)),
            marks=marks if self._draw.random() < 0.8 else [],
        )

    def sketch(self) -> DistinctCounts:
        """Return a sketch."""
        place = int(self._draw.integers(len(SKETCHES)))
        return DistinctCounts(values=self.count(), sketch=SKETCHES[place])

    def fields(self) -> dict[str, Any]:
        """Return fields of a pane."""
        names = {name: self.count() for name in ("x", "new", "")}
        return {
            "columns": {name: self.column(name) for name in CELLS},
            "distinct": {name: self.sketch() for name in ("x", "c", "t", ROWS)},
            "alike": {"x": "#"} if self._draw.random() < 0.5 else {},
            "names": NameCounts(requests=self.count(), unexpected=names),
        }


def metrics() -> list[dict[str, Any]]:
    checks = ["MissingRatio", "EmptyRatio", "TypeMismatchRatio", "InfiniteRatio"]
    checks += ["OutOfRangeRatio", "NewCategoryRatio", "VanishedCategoryRatio", "DistinctRatio"]
    found: list[dict[str, Any]] = [
        {"type": "DataQuality", "dataQuality": {"check": check, "columns": {"group": "Inputs"}}}
        for check in (*checks, "ConstantColumns")
    ]
    found += [
        {"type": "DataQuality", "dataQuality": {"check": check}}
        for check in ("DuplicateRatio", "SchemaChanges", "Staleness")
    ]
    statistics: list[dict[str, str]] = [
        {"column": "x", "of": "Mean"},
        {"column": "t", "of": "StandardDeviation"},
        {"column": "x", "of": "Quantile", "quantile": "0.9"},
        {"column": "x", "of": "ShareAbove", "value": "0.5"},
        {"column": "x", "of": "ShareBelow", "value": "0.5"},
        {"column": "c", "of": "CategoryShare", "category": "a"},
        {"column": "c", "of": "Entropy"},
    ]
    for compare in ({}, *({"compare": {"to": "Baseline", "as": as_}} for as_ in COMPARISONS)):
        found += [{"type": "Statistic", "statistic": each, **compare} for each in statistics]
    threshold = {"operator": "GreaterThan", "critical": "0.5"}
    return [{"name": f"m{n}", "threshold": threshold, **each} for n, each in enumerate(found)]


COMPARISONS = ("Difference", "Ratio", "RelativeChange")
ALL = metrics()
SPECS = [spec_of(*ALL[start : start + 20]) for start in range(0, len(ALL), 20)]


@given(seed=st.integers(0, 2**32))
@steady
def test_every_metric_ends_in_a_verdict(profile: Profile, seed: int) -> None:
    made: Pane = pane(0, baselineDigest=digest(profile), **Liar(seed).fields())
    assert is_sound(made)
    for spec in SPECS:
        for verdict in run(spec, [tick(0, made)], profile).verdicts:
            assert verdict.outcome in set(Outcome)
            assert len(verdict.message) < 1000
