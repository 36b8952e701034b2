"""What a namespace does not grant a collector, as quotas and LimitRanges of Kubernetes count."""

from typing import Any

import pytest

from modelmonitor.api.v1alpha1.collection import Quantities
from modelmonitor.core.injection.resources import budget_problems, collector_resources

REQUESTS = Quantities(cpu="50m", memory="96Mi")
LIMITS = Quantities(memory="256Mi")


def limit_range(**item: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "defaults"},
        "spec": {"limits": [{"type": "Pod", "max": {"cpu": "1m"}}, {"type": "Container"} | item]},
    }


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    status = {} if used is None else {"hard": hard, "used": used}
    return {"metadata": {"name": "team"}, "spec": {"hard": hard} | spec, "status": status}


def problems(
    *objects: dict[str, Any],
    pods: int = 1,
    requests: Quantities = REQUESTS,
    limits: Quantities = LIMITS,
    spec: dict[str, Any] | None = None,
) -> list[tuple[str, bool]]:
    ranges = [one for one in objects if "limits" in one["spec"]]
    quotas = [one for one in objects if "hard" in one["spec"]]
    asked = collector_resources(requests, limits, spec or {})
    found = budget_problems(asked, spec or {}, pods, ranges, quotas)
    return [(f"{one.subject} {one.message}", one.refuses) for one in found]


def test_a_namespace_without_rules_grants_everything() -> None:
    assert problems() == []
    assert problems(limit_range(), quota({"pods": "1", "requests.storage": "1"})) == []


@pytest.mark.parametrize("amounts", [{"default": {"cpu": "200m"}}, {"max": {"cpu": "0.2"}}])
def test_a_cpu_limit_by_default_throttles_the_path(amounts: dict[str, Any]) -> None:
    ((message, refuses),) = problems(limit_range(**amounts))
    assert "would throttle the traffic" in message
    assert refuses


def test_a_generous_cpu_limit_by_default_is_worth_knowing() -> None:
    ((message, refuses),) = problems(limit_range(default={"cpu": "2", "memory": "1Gi"}))
    assert message.startswith("LimitRange defaults gives the collector a CPU limit of 2")
    assert not refuses


def test_an_own_cpu_limit_is_not_replaced() -> None:
    own = Quantities(cpu="1", memory="256Mi")
    assert problems(limit_range(default={"cpu": "200m"}), limits=own) == []


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"max": {"memory": "128Mi"}}, "memory limit of 256Mi, above 128Mi"),
        ({"min": {"cpu": "100m"}}, "cpu request of 50m, below 100m"),
        ({"maxLimitRequestRatio": {"memory": "2"}}, "more than 2 times"),
    ],
)
def test_what_a_limit_range_refuses_is_named(item: dict[str, Any], words: str) -> None:
    ((message, refuses),) = problems(limit_range(**item))
    assert words in message
    assert refuses


def test_amounts_at_the_edge_of_a_limit_range_pass() -> None:
    edge = {
        "max": {"memory": "256Mi"},
        "min": {"cpu": "50m", "memory": "96Mi"},
        "maxLimitRequestRatio": {"memory": "3"},
    }
    assert problems(limit_range(**edge)) == []


@pytest.mark.parametrize(
    ("hard", "used", "pods", "words"),
    [
        ({"requests.cpu": "1"}, {"requests.cpu": "960m"}, 1, "requests.cpu 1 left"),
        ({"cpu": "1"}, {"cpu": "900m"}, 3, "cpu 1 left for the collectors of 3 pods, 50m each"),
        ({"requests.memory": "1Gi"}, {"requests.memory": "1000Mi"}, 1, "requests.memory 1Gi"),
        ({"limits.memory": "1Gi"}, {"limits.memory": "0"}, 5, "limits.memory 1Gi"),
        ({"requests.cpu": "40m"}, None, 1, "requests.cpu 40m"),
    ],
)
def test_a_quota_that_the_collectors_would_exceed_is_told(
    hard: dict[str, str], used: dict[str, str] | None, pods: int, words: str
) -> None:
    ((message, refuses),) = problems(quota(hard, used), pods=pods)
    assert words in message
    assert refuses


def test_words_about_a_quota_stay_while_usage_moves() -> None:
    told = {
        problems(quota({"cpu": "1"}, {"cpu": used}), pods=1)[0] for used in ("960m", "970m", "1")
    }
    assert len(told) == 1


def test_a_quota_that_just_holds_them_is_no_problem() -> None:
    assert problems(quota({"requests.cpu": "1"}, {"requests.cpu": "0.9"}), pods=2) == []
    assert problems(quota({"requests.cpu": "1"}, {"requests.cpu": "1"}), pods=0) == []


def test_a_quota_on_cpu_limits_demands_one() -> None:
    ((message, refuses),) = problems(quota({"limits.cpu": "10"}))
    assert "set spec.collection.resources.limits.cpu" in message
    assert refuses
    defaults = limit_range(default={"cpu": "1"})
    assert [refuses for _, refuses in problems(quota({"limits.cpu": "10"}), defaults)] == [False]


@pytest.mark.parametrize(
    ("scope", "counts"),
    [
        ({}, True),
        ({"scopes": ["NotBestEffort"]}, True),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["Terminating"]}, False),
        ({"operator": "In", "values": ["high"]}, True),
        ({"operator": "In", "values": ["low"]}, False),
        ({"operator": "NotIn", "values": ["high"]}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "DoesNotExist"}, False),
    ],
)
def test_a_quota_counts_only_pods_of_its_scope(scope: dict[str, Any], counts: bool) -> None:
    if "operator" in scope:
        expression = {"scopeName": "PriorityClass"} | scope
        scope = {"scopeSelector": {"matchExpressions": [expression]}}
    found = problems(quota({"cpu": "1m"}, **scope), spec={"priorityClassName": "high"})
    assert bool(found) is counts
