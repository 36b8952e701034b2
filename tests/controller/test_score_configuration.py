"""Which monitors have scores counted beside predictions: those with a metric that needs it."""

from typing import Any

import numpy as np
import pytest

from modelmonitor.controller.reconcile.baseline import Loaded, configuration_for
from modelmonitor.core.baseline.performance_builder import with_performance
from modelmonitor.core.baseline.profile import ColumnRole, digest
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.wire.configuration import ScoreConfiguration
from tests.core.monitoring import drift, spec_of

SCORES = np.arange(2000) % 100 / 100
LABELS = (np.arange(2000) % 7 < 3).astype(int)
PREDICTED = (SCORES > 0.5).astype(int)


def loaded(*scores: str, labels: bool = True) -> Loaded:
    """Return a baseline in force."""
    table = {"x": SCORES, "late": PREDICTED, "p": SCORES}
    outputs = [
        OutputColumn(column="late", role=ColumnRole.LABEL),
        OutputColumn(column="p", role=ColumnRole.SCORE),
    ]
    profile = build_profile(table, outputs=outputs)
    if labels:
        profile = with_performance(profile, table, "late", LABELS, dict.fromkeys(scores, "1"), None)
    return Loaded(profile, digest(profile))


def estimated(measure: str, operator: str = "LessThan") -> dict[str, Any]:
    return {
        "type": "EstimatedPerformance",
        "estimatedPerformance": {"measure": measure},
        "threshold": {"operator": operator, "critical": "0.5"},
    }


CONFIDENCE = {
    "type": "Statistic",
    "statistic": {"column": "p", "of": "Confidence"},
    "threshold": {"operator": "LessThan", "critical": "0.5"},
}


def told(metric: dict[str, Any], baseline: Loaded | None) -> ScoreConfiguration | None:
    return configuration_for(spec_of(metric), "uid-1", 60.0, baseline, "a2V5").scores


@pytest.mark.parametrize("metric", [estimated("ROCAUC"), estimated("Accuracy"), CONFIDENCE])
def test_metrics_of_scores_have_them_counted_in_the_baselines_cells(metric: dict[str, Any]) -> None:
    baseline = loaded("p")
    found = told(metric, baseline)
    part = baseline.profile.performance
    assert found is not None
    assert part is not None
    assert (found.prediction, sorted(found.classes)) == ("late", ["0", "1"])
    assert [(each.name, each.column) for each in found.scored] == [("1", "p")]
    assert found.scored[0].edges == part.scored[0].edges


@pytest.mark.parametrize("metric", [drift(), estimated("PriorShift", "GreaterThan")])
def test_other_metrics_cost_nothing(metric: dict[str, Any]) -> None:
    assert told(metric, loaded("p")) is None


@pytest.mark.parametrize("baseline", [None, loaded(), loaded("p", labels=False)])
def test_baselines_without_labels_or_scores_have_no_cells(baseline: Loaded | None) -> None:
    assert told(estimated("ROCAUC"), baseline) is None
