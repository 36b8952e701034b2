"""What refused a pod is read from the API server's own words, and who is to blame."""

from typing import Any

import pytest

from modelmonitor.api.v1alpha1.conditions import BreakerReason
from modelmonitor.core.injection.refusals import CreateFailure, blame, create_failures
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.times import parse_time

MODEL = Workload("Deployment", "model")


def replica_set(
    owner: str = "model", *, replicas: int = 3, status: str = "True", since: str = "12:00:00"
) -> dict[str, Any]:
    condition = {
        "type": "ReplicaFailure",
        "status": status,
        "reason": "FailedCreate",
        "lastTransitionTime": f"2026-01-31T{since}Z",
        "message": f"refused at {since}",
    }
    return {
        "metadata": {
            "name": f"{owner}-abc",
            "ownerReferences": [{"kind": "Deployment", "name": owner, "controller": True}],
        },
        "spec": {"replicas": replicas},
        "status": {"conditions": [condition]},
    }


def test_failures_of_the_targets_own_replica_sets_count_newest_first() -> None:
    found = create_failures(
        MODEL, [replica_set(), replica_set("other"), replica_set(since="13:00:00")]
    )
    assert [failure.message for failure in found] == [
        "refused at 13:00:00",
        "refused at 12:00:00",
    ]
    assert found[1].since == parse_time("2026-01-31T12:00:00Z")


def quota(requested: str, used: str = "0") -> str:
    return (
        f'pods "model-abc-x1" is forbidden: exceeded quota: q, requested: requests.memory='
        f"{requested}, used: requests.memory={used}, limited: requests.memory=64Mi"
    )


def told(message: str, minute: int = 30, name: str = "model-abc") -> dict[str, Any]:
    return {
        "metadata": {},
        "involvedObject": {"kind": "ReplicaSet", "name": name},
        "reason": "FailedCreate",
        "lastTimestamp": f"2026-01-31T12:{minute}:00Z",
        "message": f"Error creating: {message}",
    }


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (told(quota("160Mi", "10Mi")), ["requested: requests.memory=160Mi"]),
        (told(quota("64Mi", "10Mi")), []),
        (told(quota("160Mi"), minute=10), []),
        (told(quota("160Mi"), name="other-abc"), []),
    ],
    ids=["of another size", "the same again", "before", "of another"],
)
def test_what_an_old_refusal_has_become_since_is_told_by_events(
    event: dict[str, Any], found: list[str]
) -> None:
    since = parse_time("2026-01-31T12:20:00Z")
    old = replica_set()
    old["status"]["conditions"][0]["message"] = quota("64Mi")
    failures = create_failures(MODEL, [old], [event], since)
    fresh = [failure.message for failure in failures if failure.since >= since]
    assert len(fresh) == len(found)
    assert all(words in message for words, message in zip(found, fresh, strict=True))


def test_a_refusal_that_is_young_enough_needs_no_event() -> None:
    failures = create_failures(MODEL, [replica_set()], [told(quota("160Mi"))])
    assert [failure.message for failure in failures] == ["refused at 12:00:00"]


@pytest.mark.parametrize(
    "body",
    [
        replica_set(replicas=0),
        replica_set(status="False"),
        {"metadata": {}, "spec": {"replicas": 1}},
        replica_set() | {"status": {}},
    ],
)
def test_what_is_no_failure_now_is_left_out(body: dict[str, Any]) -> None:
    assert create_failures(MODEL, [body]) == ()


def test_failures_of_a_stateful_set_are_its_events() -> None:
    def event(name: str, reason: str = "FailedCreate", **time: Any) -> dict[str, Any]:
        return {
            "metadata": {"creationTimestamp": "2026-01-31T11:00:00Z"},
            "involvedObject": {"kind": "StatefulSet", "name": name},
            "reason": reason,
            "message": "refused",
        } | time

    events = [
        event("model", lastTimestamp="2026-01-31T12:00:00Z"),
        event("model", series={"lastObservedTime": "2026-01-31T13:00:00.123456Z"}),
        event("model"),
        event("model", reason="SuccessfulCreate"),
        event("other"),
    ]
    found = create_failures(Workload("StatefulSet", "model"), [], events)
    assert [failure.since - parse_time("2026-01-31T11:00:00Z") for failure in found] == [
        pytest.approx(7200.123456),
        3600,
        0,
    ]
    lately = create_failures(
        Workload("StatefulSet", "model"), [], events, parse_time("2026-01-31T12:30:00Z")
    )
    assert lately == found[:1]


QUOTA = 'pods "m-abc-x" is forbidden: exceeded quota: full, requested: {}, used: {}, limited: {}'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            QUOTA.format("requests.cpu=70m", "requests.cpu=140m", "requests.cpu=200m"),
            BreakerReason.QUOTA_EXCEEDED,
        ),
        (
            QUOTA.format(
                "limits.memory=1Gi,requests.memory=1Gi",
                "limits.memory=3Gi,requests.memory=3Gi",
                "limits.memory=3Gi,requests.memory=3Gi",
            ),
            BreakerReason.QUOTA_EXCEEDED,
        ),
        (QUOTA.format("pods=1", "pods=10", "pods=10"), None),
        (
            QUOTA.format("pods=1,requests.cpu=70m", "pods=3,requests.cpu=1", "pods=3,x=1"),
            None,
        ),
        (
            'pods "m" is forbidden: failed quota: q: must specify limits.cpu for: mm-collector',
            BreakerReason.QUOTA_EXCEEDED,
        ),
        ('pods "m" is forbidden: failed quota: q: must specify limits.cpu for: model', None),
        (
            (
                'pods "m" is forbidden: maximum memory usage per Container is 200Mi, but limit is '
                "256Mi"
            ),
            BreakerReason.LIMIT_RANGE_VIOLATED,
        ),
        (
            (
                'pods "m" is forbidden: [minimum cpu usage per Container is 100m, but request '
                "is 50m, maximum cpu usage per Pod is 1, but limit is 1500m]"
            ),
            BreakerReason.LIMIT_RANGE_VIOLATED,
        ),
        (
            (
                'pods "m" is forbidden: memory max limit to request ratio per Container is 2, but '
                "provided ratio is 2.666667"
            ),
            BreakerReason.LIMIT_RANGE_VIOLATED,
        ),
        (
            (
                'pods "m" is forbidden: violates PodSecurity "restricted:latest": allowPrivilege'
                'Escalation != false (container "mm-collector" must set …)'
            ),
            BreakerReason.POD_REFUSED,
        ),
        (
            (
                'pods "m" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != '
                'true (container "model" must set …)'
            ),
            None,
        ),
        (
            'admission webhook "images.example.org" denied the request: registry not allowed',
            BreakerReason.POD_REFUSED,
        ),
        (
            'Pod "m" is invalid: spec.initContainers[0].resources.requests: Invalid value: "1"',
            BreakerReason.POD_REFUSED,
        ),
        (
            (
                'pods "m" is forbidden: error looking up service account ns/sa: serviceaccount '
                '"sa" not found'
            ),
            None,
        ),
        ("Timeout: request did not complete within requested timeout", None),
        ("", None),
    ],
)
def test_only_what_the_collector_may_have_caused_is_blamed_on_it(
    message: str, reason: BreakerReason | None
) -> None:
    assert blame(CreateFailure(message, 0.0)) is reason
