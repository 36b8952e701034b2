"""Injection never becomes an outage: four ways in which injected pods cannot start.

Each time the Deployment must reach its replica count within three minutes, without collectors if
need be, and the monitor must say that injection is paused and why.
"""

import time
from collections.abc import Iterator

import pytest

from demo.story.kubectl import Body
from tests.e2e.kit import Kube, Model, Room, condition, has, is_injected, monitor_body
from tests.e2e.release import Release
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

REPLICAS = 2
PATIENCE = 180.0
"""Seconds in which the Deployment has to reach its replica count."""


@pytest.fixture
def release(release: Release) -> Iterator[Release]:
    """Return the release, with its own collector image again afterwards."""
    yield release
    release.use_collector(release.collector)


def is_rolled_out(room: Room) -> bool:
    """Say whether all replicas are of the newest template and ready."""
    deployment = room.kube.get("deployment", "model", room.name)
    status: Body = deployment["status"]
    counts = ("replicas", "updatedReplicas", "readyReplicas")
    return status["observedGeneration"] >= deployment["metadata"]["generation"] and all(
        status.get(count) == REPLICAS for count in counts
    )


def roll_out_and_wait(room: Room) -> float:
    """Recreate the pods; return the seconds until all replicas of the new template are ready."""
    room.kube("rollout", "restart", "deployment/model", "-n", room.name)
    began = time.monotonic()
    wait_until(
        f"{REPLICAS} ready replicas of the new template",
        lambda: is_rolled_out(room),
        PATIENCE,
        explain=lambda: room.kube("describe", "pods", "-n", room.name)[-4000:],
    )
    return time.monotonic() - began


def assert_paused(room: Room, *reasons: str) -> None:
    monitor = room.wait_for(
        "InjectionPaused", has("CollectorsReady", "False", "InjectionPaused"), 60
    )
    injection = monitor["status"]["injection"]
    assert injection["breaker"] in {"Open", "HalfOpen"}
    assert injection["reason"] in reasons
    assert injection["message"]
    print(f"{injection['reason']}: {condition(monitor, 'CollectorsReady')[2]}")


def watched(room: Room, kube: Kube) -> Room:
    """Deploy the model, apply its monitor, and wait until the next pod would be injected."""
    room.deploy(Model(replicas=REPLICAS, delay=0))
    kube.apply(monitor_body(room.name))
    room.wait_for("Ready", has("Ready", "True"))
    return room


def test_an_image_that_cannot_be_pulled(room: Room, kube: Kube, release: Release) -> None:
    watched(room, kube)
    release.use_collector("localhost/modelmonitor-collector:does-not-exist")
    seconds = roll_out_and_wait(room)
    print(f"unpullable image: {REPLICAS} replicas ready after {seconds:.0f} s")
    assert not any(is_injected(pod) for pod in room.pods())
    assert_paused(room, "ImageUnavailable", "CollectorNotStarting")


def test_a_collector_that_exits_at_once(room: Room, kube: Kube, release: Release) -> None:
    watched(room, kube)
    release.use_collector(release.broken_collector)
    seconds = roll_out_and_wait(room)
    print(f"exiting collector: {REPLICAS} replicas ready after {seconds:.0f} s")
    assert not any(is_injected(pod) for pod in room.pods())
    assert_paused(room, "CollectorCrashing", "CollectorNotStarting")


def test_a_full_quota(room: Room, kube: Kube) -> None:
    watched(room, kube)
    # Room for the plain pods and the one of the rollout's surge (64Mi each), not for collectors.
    hard = {"requests.memory": f"{64 * (REPLICAS + 1)}Mi"}
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "tight", "namespace": room.name},
            "spec": {"hard": hard},
        }
    )
    seconds = roll_out_and_wait(room)
    print(f"full quota: {REPLICAS} replicas ready after {seconds:.0f} s")
    assert_paused(room, "QuotaExceeded")


def test_a_limit_range(room: Room, kube: Kube) -> None:
    watched(room, kube)
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "small", "namespace": room.name},
            # The pod as a whole may ask for what the model asks for, and no more.
            "spec": {"limits": [{"type": "Pod", "max": {"memory": "256Mi"}}]},
        }
    )
    seconds = roll_out_and_wait(room)
    print(f"LimitRange: {REPLICAS} replicas ready after {seconds:.0f} s")
    assert_paused(room, "LimitRangeViolated")
