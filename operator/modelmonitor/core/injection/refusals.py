"""Refused pods: what the API server says when a ReplicaSet or StatefulSet cannot create one.

A refused pod does not exist, so its words are the only trace: the condition ReplicaFailure of a
ReplicaSet, or an event FailedCreate of a StatefulSet. Only refusals that the collector may have
caused are of interest.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.conditions import BreakerReason
from modelmonitor.core.injection.workloads import DEPLOYMENT, REPLICA_SET, STATEFUL_SET, Workload
from modelmonitor.core.times import parse_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME

Json = Mapping[str, Any]

FAILED_CREATE: Final = "FailedCreate"
"""Reason of the condition and of the event."""
_OUR_RESOURCES: Final = frozenset(
    {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
)
"""What the collector takes from a quota."""
_EXCEEDED: Final = re.compile(r"exceeded quota: [^,]+, requested: (?P<requested>\S+?),? used:")
_LIMIT_RANGE: Final = re.compile(
    r"(maximum|minimum) \S+ usage per (Pod|Container)|max limit to request ratio per"
)


@dataclass(frozen=True, slots=True)
class CreateFailure:
    """Pods of a workload were refused, and still are."""

    message: str
    since: float
    """Seconds since the epoch. The message is the one of this moment: a ReplicaSet does not write
    a new one while pods go on being refused."""


def create_failures(
    workload: Workload,
    owned: Iterable[Json] = (),
    events: Iterable[Json] = (),
    since: float = -math.inf,
) -> tuple[CreateFailure, ...]:
    """Return why pods of a workload cannot be created, the newest failure first.

    Parameters
    ----------
    workload
        The target.
    owned
        ReplicaSets of its namespace, as JSON; those of other owners are left out.
    events
        Events of a StatefulSet, or of ReplicaSets that have failed since before `since`, as JSON;
        others than their FailedCreate are left out.
    since
        Seconds since the epoch; events before it are left out, because an event does not end when
        its cause does.
    """
    failures: list[CreateFailure] = []
    if workload.kind == DEPLOYMENT:
        for name, failure in failing_replica_sets(workload, owned):
            failures.append(failure)
            if failure.since < since:
                failures += _said_anew(failure, _told(events, REPLICA_SET, name, since))
    elif workload.kind == STATEFUL_SET:
        failures = _told(events, STATEFUL_SET, workload.name, since)
    return tuple(sorted(failures, key=lambda failure: -failure.since))


def failing_replica_sets(
    workload: Workload, replica_sets: Iterable[Json]
) -> list[tuple[str, CreateFailure]]:
    """Return the names of a Deployment's ReplicaSets whose pods cannot be created, and why."""
    return [
        (str(replica_set["metadata"]["name"]), _of_condition(condition))
        for replica_set in replica_sets
        if _is_owned(replica_set, workload) and (replica_set["spec"].get("replicas") or 0) > 0
        for condition in (replica_set.get("status") or {}).get("conditions") or []
        if condition.get("type") == "ReplicaFailure"
        and condition.get("status") == "True"
        and condition.get("reason") == FAILED_CREATE
    ]


def _told(events: Iterable[Json], kind: str, name: str, since: float) -> list[CreateFailure]:
    """Return what events say of an owner of pods, from a time on."""
    told = [
        _of_event(event)
        for event in events
        if event.get("reason") == FAILED_CREATE
        and (event.get("involvedObject") or {}).get("kind") == kind
        and event["involvedObject"].get("name") == name
    ]
    return [failure for failure in told if failure.since >= since]


def _said_anew(old: CreateFailure, events: Sequence[CreateFailure]) -> list[CreateFailure]:
    """Return the failures that are not the old one over again: a pod of another size, mostly.

    A ReplicaSet that was refused before and still is keeps the words of the first time. Its pods
    carry a collector since, which may be why they go on being refused; only events tell.
    """
    return [failure for failure in events if _gist(failure.message) != _gist(old.message)]


def _gist(message: str) -> str:
    """Return what of a refusal is the same each time: no name of a pod, no use of a quota."""
    exceeded = _EXCEEDED.search(message)
    if exceeded is not None:
        return exceeded["requested"]
    return message.partition(" is forbidden: ")[2] or message.partition(" is invalid: ")[2]


def blame(failure: CreateFailure) -> BreakerReason | None:
    """Return what refused the pod, if the collector may be why; None if it surely is not.

    Passing troubles of the API server (time-outs, a missing service account) blame nobody.
    """
    message = failure.message
    exceeded = _EXCEEDED.search(message)
    if exceeded is not None:
        asked = {entry.partition("=")[0] for entry in exceeded["requested"].split(",")}
        # One resource of which the collector takes nothing refuses the plain pod as well.
        return BreakerReason.QUOTA_EXCEEDED if asked <= _OUR_RESOURCES else None
    if "failed quota:" in message:
        return BreakerReason.QUOTA_EXCEEDED if CONTAINER_NAME in message else None
    if _LIMIT_RANGE.search(message):
        return BreakerReason.LIMIT_RANGE_VIOLATED
    if "violates PodSecurity" in message:
        return BreakerReason.POD_REFUSED if CONTAINER_NAME in message else None
    if "denied the request" in message or " is invalid: " in message:
        return BreakerReason.POD_REFUSED
    return None


def _is_owned(replica_set: Json, workload: Workload) -> bool:
    owners = replica_set["metadata"].get("ownerReferences") or []
    return any(
        owner.get("controller")
        and owner.get("kind") == workload.kind
        and owner.get("name") == workload.name
        for owner in owners
    )


def _of_condition(condition: Json) -> CreateFailure:
    return CreateFailure(
        str(condition.get("message", "")), parse_time(condition["lastTransitionTime"])
    )


def _of_event(event: Json) -> CreateFailure:
    moment = (
        (event.get("series") or {}).get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )
    return CreateFailure(str(event.get("message", "")), parse_time(moment))
