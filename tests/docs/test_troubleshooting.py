"""The troubleshooting page has an answer for every reason that a status can carry."""

import re
from pathlib import Path

import pytest

from modelmonitor.api.v1alpha1 import conditions

SECTIONS = {
    "Ready": conditions.ReadyReason,
    "Reconciling": conditions.ReconcilingReason,
    "TargetResolved": conditions.TargetReason,
    "CollectorsReady": conditions.CollectorsReason,
    "The circuit breaker": conditions.BreakerReason,
    "BaselineReady": conditions.BaselineReason,
    "MetricsAvailable": conditions.MetricsReason,
    "Alerting": conditions.AlertingReason,
    "RetrainingActive": conditions.RetrainingReason,
    "Suspended": conditions.SuspendedReason,
    "Why an episode ended": conditions.EpisodeCause,
    "Verdicts": conditions.VerdictReason,
}


def _answers(root: Path, title: str) -> list[str]:
    """Return the reasons that the table below a heading answers."""
    page = (root / "docs" / "troubleshooting.md").read_text()
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    return re.findall(r"^\| `(\w+)` \| .+ \|$", sections[title], re.MULTILINE)


@pytest.mark.parametrize("title", SECTIONS)
def test_every_reason_is_answered_once_in_its_section(root: Path, title: str) -> None:
    assert sorted(_answers(root, title)) == sorted(SECTIONS[title])


def test_every_kind_of_reason_has_a_section() -> None:
    kinds = {
        kind
        for kind in vars(conditions).values()
        if isinstance(kind, type) and issubclass(kind, conditions.Documented)
    }

    assert kinds - set(SECTIONS.values()) == {conditions.Documented, conditions.ConditionType}
