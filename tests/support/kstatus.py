"""How tools read a status: kstatus (Flux, Helm 4, kustomize) and `kubectl wait`, for custom kinds.

An own implementation of both algorithms, so that every status that a test produces can be held
against what a deployment tool would make of it; and beyond them the conventions for conditions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from modelmonitor.api.v1alpha1.conditions import ALWAYS_PRESENT, ConditionType

Body = Mapping[str, Any]


class KStatus(StrEnum):
    """What a tool takes an object for."""

    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"


@dataclass(frozen=True)
class Result:
    """A status and the sentence that a tool would show."""

    status: KStatus
    message: str


class KStatusError(ValueError):
    """The object is such that kstatus refuses to compute anything."""


def compute_status(body: Body) -> Result:
    """Return what kstatus makes of a custom object.

    The order is the algorithm: deletion, generation, then the first true one of Reconciling and
    Stalled in the order of the list, then Ready; without any of them an object is Current.
    """
    metadata, status = body.get("metadata", {}), body.get("status", {})
    if metadata.get("deletionTimestamp"):
        return Result(KStatus.TERMINATING, "Resource scheduled for deletion")
    if unseen := _unseen_generation(metadata.get("generation"), status.get("observedGeneration")):
        return Result(KStatus.IN_PROGRESS, unseen)
    conditions = status.get("conditions", [])
    for condition in conditions:
        if condition["status"] != "True":
            continue
        if condition["type"] == "Reconciling":
            return Result(KStatus.IN_PROGRESS, condition["message"])
        if condition["type"] == "Stalled":
            return Result(KStatus.FAILED, condition["message"])
    for condition in conditions:
        if condition["type"] == "Ready":
            is_ready = condition["status"] == "True"
            return Result(
                KStatus.CURRENT if is_ready else KStatus.IN_PROGRESS, condition["message"]
            )
    return Result(KStatus.CURRENT, "Resource is current")


def _unseen_generation(generation: object, observed: object) -> str:
    """Return why the status speaks of another generation; empty where it does not."""
    if observed is None:
        return ""
    if not isinstance(observed, int) or isinstance(observed, bool):
        raise KStatusError(f"status.observedGeneration is no integer: {observed!r}")
    if generation is None or observed == generation:
        return ""
    return f"generation is {generation}, but the observed one is {observed}"


def kubectl_wait_is_met(body: Body, condition_type: str, expected: str = "True") -> bool:
    """Return whether `kubectl wait --for=condition=<type>=<expected>` would end.

    Only the first condition of the type counts; one that speaks of an older generation is not met;
    a deletion is not looked at. Types and values are compared without regard to case.
    """
    status = body.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"].lower() != condition_type.lower():
            continue
        generation = body.get("metadata", {}).get("generation")
        observed = condition.get("observedGeneration", status.get("observedGeneration"))
        if generation is not None and observed is not None and observed < generation:
            return False
        return bool(condition["status"].lower() == expected.lower())
    return False


def convention_breaks(body: Body) -> list[str]:
    """Return what of a status written by the operator breaks its conventions for conditions."""
    generation, status = body["metadata"]["generation"], body["status"]
    conditions = status["conditions"]
    types = [condition["type"] for condition in conditions]
    by_type = {condition["type"]: condition for condition in conditions}
    breaks = [f"{kind} stands there twice" for kind in by_type if types.count(kind) > 1]
    breaks += [f"{kind} is missing" for kind in ALWAYS_PRESENT if kind not in by_type]
    breaks += [
        f"{kind} is no condition of ours" for kind in by_type if kind not in set(ConditionType)
    ]
    for condition in conditions:
        kind = condition["type"]
        if not re.fullmatch(r"[A-Z][A-Za-z]{1,62}", condition["reason"]):
            breaks.append(f"{kind} has the reason {condition['reason']!r}, which is not one word")
        if not 0 < len(condition["message"]) <= 1024:
            breaks.append(f"{kind} has a message of {len(condition['message'])} characters")
        if not 0 <= condition["observedGeneration"] <= generation:
            breaks.append(f"{kind} speaks of generation {condition['observedGeneration']}")
        if kind in {"Reconciling", "Stalled"} and condition["status"] != "True":
            breaks.append(f"{kind} is present although it is {condition['status']}")
    if {"Reconciling", "Stalled"} <= by_type.keys():
        breaks.append("Reconciling and Stalled are both present")
    if "Stalled" in by_type and by_type.get("Ready", {}).get("status") == "True":
        breaks.append("Stalled is present although Ready is True")
    if status["observedGeneration"] > generation:
        breaks.append(f"the status speaks of generation {status['observedGeneration']}")
    return breaks
