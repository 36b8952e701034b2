"""What Flux, Helm and kubectl make of a monitor in each situation of its life."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.kstatus import (
    KStatus,
    KStatusError,
    compute_status,
    convention_breaks,
    kubectl_wait_is_met,
)


def condition(kind: str, status: str, reason: str = "Some", generation: int = 2) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": f"{kind} is {status}",
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-31T12:00:00Z",
    }


def monitor(*conditions: dict[str, Any], observed: int = 2, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "m", "generation": 2, **metadata},
        "status": {"observedGeneration": observed, "conditions": list(conditions)},
    }


@dataclass(frozen=True)
class Situation:
    body: dict[str, Any]
    status: KStatus
    waits: bool
    """Whether `kubectl wait --for=condition=Ready` still waits."""


READY = condition("Ready", "True")
SITUATIONS = {
    "created, no operator": Situation(monitor(observed=-1), KStatus.IN_PROGRESS, True),
    "edited, not seen yet": Situation(
        monitor(condition("Ready", "True", generation=1), observed=1), KStatus.IN_PROGRESS, True
    ),
    "first look": Situation(
        monitor(condition("Ready", "Unknown"), condition("Reconciling", "True")),
        KStatus.IN_PROGRESS,
        True,
    ),
    "something fails that may pass": Situation(
        monitor(condition("Ready", "False"), condition("Reconciling", "True")),
        KStatus.IN_PROGRESS,
        True,
    ),
    "a person must act": Situation(
        monitor(condition("Ready", "False"), condition("Stalled", "True")), KStatus.FAILED, True
    ),
    "running, no breach": Situation(
        monitor(READY, condition("Alerting", "False")), KStatus.CURRENT, False
    ),
    "an alert fires": Situation(
        monitor(READY, condition("Alerting", "True")), KStatus.CURRENT, False
    ),
    "no data": Situation(
        monitor(READY, condition("MetricsAvailable", "False")), KStatus.CURRENT, False
    ),
    "suspended": Situation(monitor(READY, condition("Suspended", "True")), KStatus.CURRENT, False),
    "deleted": Situation(
        monitor(READY, deletionTimestamp="2026-01-31T12:00:00Z"), KStatus.TERMINATING, False
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_tools_read_each_situation_as_meant(situation: Situation) -> None:
    assert compute_status(situation.body).status == situation.status
    assert kubectl_wait_is_met(situation.body, "Ready") is not situation.waits


def test_a_status_without_conditions_counts_as_current_which_is_why_it_has_a_default() -> None:
    assert compute_status({"metadata": {"generation": 1}, "status": {}}).status == KStatus.CURRENT


def test_the_first_of_reconciling_and_stalled_in_the_list_decides() -> None:
    both = [condition("Stalled", "True"), condition("Reconciling", "True")]
    assert compute_status(monitor(*both)).status == KStatus.FAILED
    assert compute_status(monitor(*reversed(both))).status == KStatus.IN_PROGRESS


def test_a_generation_as_text_is_an_error_for_every_tool() -> None:
    body = monitor(READY)
    body["status"]["observedGeneration"] = "2"
    with pytest.raises(KStatusError):
        compute_status(body)


def test_wait_compares_types_and_values_without_case() -> None:
    assert kubectl_wait_is_met(monitor(READY), "ready", "true")
    assert not kubectl_wait_is_met(monitor(READY), "Alerting")


ALL = [
    condition(kind, "True" if kind == "Ready" else "False")
    for kind in (
        "Ready",
        "TargetResolved",
        "CollectorsReady",
        "BaselineReady",
        "MetricsAvailable",
        "Alerting",
        "RetrainingActive",
        "Suspended",
    )
]


def test_a_full_status_keeps_the_conventions() -> None:
    assert convention_breaks(monitor(*ALL)) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"add": condition("Reconciling", "False")}, "Reconciling is present although it is False"),
        ({"add": condition("Stalled", "True")}, "Stalled is present although Ready is True"),
        ({"add": condition("Healthy", "True")}, "Healthy is no condition of ours"),
        ({"add": condition("Ready", "True")}, "Ready stands there twice"),
        ({"drop": "Alerting"}, "Alerting is missing"),
        ({"reason": "not one word"}, "Ready has the reason 'not one word', which is not one word"),
        ({"message": ""}, "Ready has a message of 0 characters"),
        ({"observedGeneration": 3}, "Ready speaks of generation 3"),
    ],
)
def test_breaks_of_the_conventions_are_named(change: dict[str, Any], complaint: str) -> None:
    conditions = copy.deepcopy(ALL)
    if "add" in change:
        conditions.append(change["add"])
    elif "drop" in change:
        conditions = [each for each in conditions if each["type"] != change["drop"]]
    else:
        conditions[0].update(change)
    assert convention_breaks(monitor(*conditions)) == [complaint]


def test_both_signs_of_unrest_at_once_are_named() -> None:
    unready = [condition("Ready", "False"), *ALL[1:]]
    both = [*unready, condition("Reconciling", "True"), condition("Stalled", "True")]
    assert convention_breaks(monitor(*both)) == ["Reconciling and Stalled are both present"]
