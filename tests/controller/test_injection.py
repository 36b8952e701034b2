"""Pods that cannot start or be created, and whose collector it is: coverage, circuit breaker."""

import asyncio

from modelmonitor.controller.gateways.api_server import (
    EVENTS,
    MONITORS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from modelmonitor.core.times import format_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME, ENV_MONITOR_UID
from tests.controller.virtual import run
from tests.controller.world import NAMESPACE, SETTINGS, World, spec


def stuck_pod(world: World, name: str) -> None:
    """Make a pod whose collector's image cannot be pulled."""
    world.pod(name)
    body = world.cluster.objects[PODS, NAMESPACE, name]
    now = format_time(world.clock.now())
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    body["status"] = {
        "phase": "Pending",
        "startTime": now,
        "conditions": [
            {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": now},
            {"type": "Initialized", "status": "False", "lastTransitionTime": now},
            {"type": "Ready", "status": "False", "lastTransitionTime": now},
        ],
        "initContainerStatuses": [
            {"name": CONTAINER_NAME, "started": False, "state": {"waiting": waiting}}
        ],
    }


def test_a_collector_that_cannot_start_opens_the_breaker_and_frees_its_pod() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        stuck_pod(world, "web-1")
        await world.until(lambda: bool(world.cluster.evicted), 180)
        assert set(world.cluster.evicted) == {"web-1"}
        injection = world.status()["injection"]
        assert (injection["breaker"], injection["reason"]) == ("Open", "ImageUnavailable")
        assert world.condition("Ready")[0] == "True"
        assert "InjectionPaused" in world.events()
        assert "PodEvicted" in world.events()
        await process.stop()

    run(story())


def stateful_set(world: World, replicas: int) -> None:
    template = {"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}}
    world.cluster.put(
        STATEFUL_SETS,
        {
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
            },
        },
    )


def refusal(world: World, name: str = "web") -> None:
    """Post what the StatefulSet controller says when a quota is full."""
    world.cluster.put(
        EVENTS,
        {
            "metadata": {"name": f"{name}.1", "namespace": NAMESPACE},
            "involvedObject": {"kind": "StatefulSet", "name": name},
            "reason": "FailedCreate",
            "lastTimestamp": format_time(world.clock.now()),
            "message": f'create Pod {name}-0 in StatefulSet {name} failed error: pods "{name}-0" '
            "is forbidden: exceeded quota: small, requested: requests.memory=96Mi, used: "
            "requests.memory=0, limited: requests.memory=64Mi",
        },
    )


STATEFUL = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}


def test_refused_pods_of_a_stateful_set_open_the_breaker() -> None:
    async def story() -> None:
        world = World()
        stateful_set(world, replicas=1)
        refusal(world)  # before the monitor existed: not because of its collector
        await asyncio.sleep(10)
        world.monitor(spec(targetRef=STATEFUL))
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        await asyncio.sleep(130)
        assert "injection" not in world.status()
        refusal(world, "other")
        await asyncio.sleep(130)
        assert "injection" not in world.status()
        refusal(world)
        await world.until(lambda: "injection" in world.status(), 61)
        injection = world.status()["injection"]
        assert (injection["breaker"], injection["reason"]) == ("Open", "QuotaExceeded")
        assert world.condition("CollectorsReady") == ("False", "InjectionPaused")
        await process.stop()

    run(story())


def quota(requested: str) -> str:
    return (
        f'pods "web-r1-x" is forbidden: exceeded quota: small, requested: requests.memory='
        f"{requested}, used: requests.memory=0, limited: requests.memory=32Mi"
    )


def refused_replica_set(world: World) -> None:
    """Let a ReplicaSet of the Deployment be refused pods from now on, for their own size."""
    condition = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "lastTransitionTime": format_time(world.clock.now()),
        "message": quota("64Mi"),
    }
    owner = {"kind": "Deployment", "name": "web", "controller": True}
    world.cluster.put(
        REPLICA_SETS,
        {
            "metadata": {
                "name": "web-r1",
                "namespace": NAMESPACE,
                "labels": {"app": "web"},
                "ownerReferences": [owner],
            },
            "spec": {"replicas": 1},
            "status": {"conditions": [condition]},
        },
    )


def refused_again(world: World, requested: str) -> None:
    """Post what the ReplicaSet controller says at its next try."""
    world.cluster.put(
        EVENTS,
        {
            "metadata": {"name": f"web-r1.{requested}", "namespace": NAMESPACE},
            "involvedObject": {"kind": "ReplicaSet", "name": "web-r1"},
            "reason": "FailedCreate",
            "lastTimestamp": format_time(world.clock.now()),
            "message": f"Error creating: {quota(requested)}",
        },
    )


def test_a_replica_set_that_was_refused_before_the_monitor_opens_nothing_but_for_a_larger_pod() -> (
    None
):
    async def story() -> None:
        world = World()
        world.deploy()
        refused_replica_set(world)
        await asyncio.sleep(10)
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        refused_again(world, "64Mi")
        await asyncio.sleep(130)
        assert "injection" not in world.status()
        refused_again(world, "160Mi")
        await world.until(lambda: "injection" in world.status(), 61)
        injection = world.status()["injection"]
        assert (injection["breaker"], injection["reason"]) == ("Open", "QuotaExceeded")
        assert "160Mi" in injection["message"]
        await process.stop()

    run(story())


def test_the_trial_is_given_to_one_injector_that_is_ready() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        labels = {
            "app.kubernetes.io/name": "modelmonitor",
            "app.kubernetes.io/component": "injector",
        }
        for name, ready in (("injector-a", "False"), ("injector-b", "True")):
            status = {"conditions": [{"type": "Ready", "status": ready}]}
            metadata = {"name": name, "namespace": SETTINGS.namespace, "labels": labels}
            world.cluster.put(PODS, {"metadata": metadata, "status": status})
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        stuck_pod(world, "web-1")
        await world.until(lambda: bool(world.cluster.evicted), 180)
        world.cluster.remove(PODS, NAMESPACE, "web-1")
        opened = world.status()["injection"]
        await process.kill()
        process = world.start()
        await world.until(lambda: world.status()["injection"]["breaker"] == "HalfOpen", 700)
        injection = world.status()["injection"]
        assert injection["trialInjector"] == "injector-b"
        assert injection["since"] >= opened["retryAt"]
        assert opened["message"] in injection["message"]
        stuck_pod(world, "web-2")
        await world.until(lambda: world.status()["injection"].get("trialPod") == "web-2")
        await world.until(lambda: world.status()["injection"]["breaker"] == "Open", 180)
        assert world.status()["injection"]["failures"] == 2
        await process.stop()

    run(story())


def test_a_refusal_means_nothing_once_the_stateful_set_has_all_its_pods() -> None:
    async def story() -> None:
        world = World()
        stateful_set(world, replicas=0)
        world.monitor(spec(targetRef=STATEFUL))
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        await asyncio.sleep(10)
        refusal(world)
        await asyncio.sleep(130)
        assert "injection" not in world.status()
        await process.stop()

    run(story())


def test_collectors_of_a_deleted_monitor_of_the_same_name_are_not_counted() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        world.pod("web-1")
        environment = [{"name": ENV_MONITOR_UID, "value": "uid-of-before"}]
        world.cluster.objects[PODS, NAMESPACE, "web-1"]["spec"]["initContainers"][0]["env"] = (
            environment
        )
        process = world.start()
        await world.serve(2)
        assert world.condition("CollectorsReady") == ("False", "AwaitingRecreation")
        assert world.condition("MetricsAvailable") == ("False", "NoCollectors")
        assert world.status()["collectors"]["injected"] == 0
        environment[0]["value"] = world.cluster.objects[MONITORS, NAMESPACE, "m"]["metadata"]["uid"]
        await world.serve(3)
        assert world.condition("CollectorsReady") == ("True", "AllInjected")
        assert world.condition("MetricsAvailable")[0] == "True"
        await process.stop()

    run(story())
