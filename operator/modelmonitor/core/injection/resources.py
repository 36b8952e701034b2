"""What a collector asks of the node, and whether a namespace grants it.

Quotas and LimitRanges count the collector like any container. A pod that they refuse is not created
at all, and a CPU limit that a LimitRange adds throttles the path of the traffic.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import Quantities
from modelmonitor.core.injection.quantities import parse_quantity

Json = Mapping[str, Any]

GUARANTEED_CPU: Final = "500m"
"""Least CPU in a Guaranteed pod, where the request is also the limit: less throttles the path."""
DEFAULT_MEMORY: Final = "256Mi"
_KINDS: Final = ("cpu", "memory")
_SHORT: Final = {"cpu": "requests.cpu", "memory": "requests.memory"}
"""Keys of quotas that mean requests without saying so."""


@dataclass(frozen=True, slots=True)
class BudgetProblem:
    """What a namespace does not grant a collector."""

    subject: str
    """The object that decides, for example `LimitRange defaults`."""
    message: str
    """One sentence with the fix; it stays the same while usage moves, since statuses carry it."""
    refuses: bool = True
    """Whether pods with a collector are refused; else it is merely worth knowing."""


def collector_resources(
    requests: Quantities, limits: Quantities, spec: Json
) -> dict[str, dict[str, str]]:
    """Return the collector's resources in a pod; limits below requests are raised to them.

    Raises
    ------
    ValueError
        If an amount is not a quantity.
    """
    if is_guaranteed(spec):
        fixed = {
            "cpu": _larger(requests.cpu or "0", GUARANTEED_CPU),
            "memory": limits.memory or requests.memory or DEFAULT_MEMORY,
        }
        parse_quantity(fixed["memory"])
        return {"requests": fixed, "limits": fixed}
    wanted = _given(requests)
    allowed = {
        name: _larger(amount, wanted[name]) if name in wanted else amount
        for name, amount in _given(limits).items()
    }
    return {"requests": wanted, "limits": allowed}


def is_guaranteed(spec: Json) -> bool:
    """Return whether the pod is of class Guaranteed: every container's limits are its requests."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return bool(containers) and all(_is_fixed(one.get("resources") or {}) for one in containers)


def budget_problems(
    resources: Mapping[str, Mapping[str, str]],
    spec: Json,
    pods: int,
    limit_ranges: Sequence[Json],
    quotas: Sequence[Json],
) -> Iterator[BudgetProblem]:
    """Yield what a namespace's LimitRanges and ResourceQuotas do not grant.

    Parameters
    ----------
    resources
        `collector_resources` of the pod.
    spec
        Of the pod.
    pods
        How many pods still get a collector.
    limit_ranges, quotas
        Objects of the namespace.
    """
    granted = {place: dict(amounts) for place, amounts in resources.items()}
    for name, item in _container_limits(limit_ranges):
        yield from _defaulted(granted, name, item)
        yield from _out_of_range(granted, name, item)
    for quota in quotas:
        if _applies(quota.get("spec") or {}, spec):
            yield from _exceeded(granted, pods, quota)


def _container_limits(limit_ranges: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    for body in limit_ranges:
        for item in (body.get("spec") or {}).get("limits") or []:
            if item.get("type") == "Container":
                yield f"LimitRange {body['metadata']['name']}", item


def _defaulted(
    granted: dict[str, dict[str, str]], subject: str, item: Json
) -> Iterator[BudgetProblem]:
    """Fill in what the LimitRange adds to a container that names no amount of its own."""
    limits = (item.get("max") or {}) | (item.get("default") or {})
    for kind in _KINDS:
        if kind in limits and kind not in granted["limits"]:
            granted["limits"][kind] = str(limits[kind])
            if kind == "cpu":
                yield _throttled(subject, str(limits[kind]))
        requests = limits | (item.get("defaultRequest") or {})
        if kind in requests and kind not in granted["requests"]:
            granted["requests"][kind] = str(requests[kind])


def _throttled(subject: str, limit: str) -> BudgetProblem:
    low = parse_quantity(limit) < parse_quantity(GUARANTEED_CPU)
    consequence = (
        "which would throttle the traffic that passes it: set spec.collection.resources.limits.cpu "
        f"to {GUARANTEED_CPU} or more"
        if low
        else "beyond which the traffic that passes it would pause: see that it suffices"
    )
    return BudgetProblem(
        subject, f"gives the collector a CPU limit of {limit}, {consequence}", refuses=low
    )


def _out_of_range(
    granted: Mapping[str, Mapping[str, str]], subject: str, item: Json
) -> Iterator[BudgetProblem]:
    for kind in _KINDS:
        request, limit = granted["requests"].get(kind), granted["limits"].get(kind)
        most, least = (item.get("max") or {}).get(kind), (item.get("min") or {}).get(kind)
        field = "spec.collection.resources"
        if most and limit and parse_quantity(limit) > parse_quantity(str(most)):
            yield BudgetProblem(
                subject,
                f"refuses the collector's {kind} limit of {limit}, above {most}: lower "
                f"{field}.limits.{kind}, or raise the maximum",
            )
        if least and request and parse_quantity(request) < parse_quantity(str(least)):
            yield BudgetProblem(
                subject,
                f"refuses the collector's {kind} request of {request}, below {least}: raise "
                f"{field}.requests.{kind}",
            )
        ratio = (item.get("maxLimitRequestRatio") or {}).get(kind)
        if ratio and request and limit:
            asked = parse_quantity(limit) / parse_quantity(request)
            if asked > parse_quantity(str(ratio)):
                yield BudgetProblem(
                    subject,
                    f"refuses a {kind} limit of {limit} over a request of {request}, more than "
                    f"{ratio} times: bring {field}.limits.{kind} and requests.{kind} closer",
                )


def _applies(quota: Json, spec: Json) -> bool:
    """Return whether a quota counts the pods: it may be about some classes of them only."""
    if set(quota.get("scopes") or []) & {"BestEffort", "Terminating"}:
        return False
    for expression in (quota.get("scopeSelector") or {}).get("matchExpressions") or []:
        priority = spec.get("priorityClassName", "")
        listed = priority in (expression.get("values") or [])
        holds = {"In": listed, "NotIn": not listed, "Exists": bool(priority)}
        if expression.get("scopeName") != "PriorityClass" or not holds.get(
            expression.get("operator", ""), False
        ):
            return False
    return True


def _exceeded(
    granted: Mapping[str, Mapping[str, str]], pods: int, quota: Json
) -> Iterator[BudgetProblem]:
    subject = f"ResourceQuota {quota['metadata']['name']}"
    status = quota.get("status") or {}
    hard: Json = status.get("hard") or (quota.get("spec") or {}).get("hard") or {}
    for key, most in hard.items():
        place, _, kind = _SHORT.get(key, key).partition(".")
        if place not in granted or kind not in _KINDS:
            continue
        amount = granted[place].get(kind)
        if amount is None:
            yield BudgetProblem(
                subject,
                f"counts {key}, so that every container must have one, and the collector has none: "
                f"set spec.collection.resources.{place}.{kind}, or give the namespace a LimitRange",
            )
            continue
        left = parse_quantity(str(most)) - parse_quantity(
            str((status.get("used") or {}).get(key, 0))
        )
        if parse_quantity(amount) * pods > left:
            yield BudgetProblem(
                subject,
                f"has too little of its {key} {most} left for the collectors of {pods} pods, "
                f"{amount} each: raise the quota",
            )


def _is_fixed(amounts: Json) -> bool:
    limits, requests = amounts.get("limits") or {}, amounts.get("requests") or {}
    for name in _KINDS:
        if name not in limits:
            return False
        limit = parse_quantity(str(limits[name]))
        if not limit or parse_quantity(str(requests.get(name, limits[name]))) != limit:
            return False
    return True


def _given(amounts: Quantities) -> dict[str, str]:
    pairs = {"cpu": amounts.cpu, "memory": amounts.memory}
    given = {name: amount for name, amount in pairs.items() if amount is not None}
    for amount in given.values():
        parse_quantity(amount)
    return given


def _larger(left: str, right: str) -> str:
    values: dict[str, Decimal] = {text: parse_quantity(text) for text in (left, right)}
    return max(values, key=values.__getitem__)
