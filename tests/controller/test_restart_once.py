"""`restart: Once`: one annotation, one workload at a time, and never where it could hurt."""

from typing import Any

import pytest

from modelmonitor.controller.gateways.api_server import DEPLOYMENTS, MONITORS, PODS, SERVICES
from modelmonitor.controller.gateways.errors import AccessDeniedError, TemporaryError
from modelmonitor.core.injection.restart import RESTART_MANAGER, RESTARTED_ANNOTATION
from modelmonitor.core.wire.configuration import ENV_MONITOR_UID
from tests.controller.memory import Killer
from tests.controller.test_injection import stuck_pod
from tests.controller.virtual import run
from tests.controller.world import NAMESPACE, World, key, spec

ONCE = {"ports": [{"name": "http"}], "restart": "Once"}


def deploy(world: World, name: str = "web") -> None:
    """Create a Deployment that is settled, with one pod that is older than any monitor."""
    world.deploy(name)
    world.pod(f"{name}-old", monitor="", app=name)
    settle(world, name)


def settle(world: World, name: str = "web") -> None:
    """Let the rollout of a Deployment end."""
    body = world.cluster.objects[DEPLOYMENTS, NAMESPACE, name]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), 1)
    generation = body["metadata"].setdefault("generation", 1)
    world.cluster.put(DEPLOYMENTS, {**body, "status": {**counts, "observedGeneration": generation}})


def watch(world: World, name: str = "web", monitor: str = "m", **changes: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    world.monitor(spec(targetRef=target, collection=ONCE, **changes), monitor)


def roll_out(world: World, name: str = "web", monitor: str = "m") -> None:
    """Do what the Deployment controller and an injector do after the annotation has come."""
    world.cluster.remove(PODS, NAMESPACE, f"{name}-old")
    world.pod(f"{name}-new", revision="r2", monitor=monitor, app=name)
    settle(world, name)


def phase(world: World, monitor: str = "m") -> str:
    return str(world.status(monitor).get("restart", {}).get("phase", ""))


def message(world: World, monitor: str = "m") -> str:
    conditions = world.status(monitor).get("conditions", [])
    return next((one["message"] for one in conditions if one["type"] == "CollectorsReady"), "")


def test_pods_without_a_collector_are_recreated_once() -> None:
    async def story() -> None:
        world = World()
        deploy(world)
        watch(world)
        process = world.start()
        await world.until(lambda: bool(world.cluster.applied), 120)
        assert world.cluster.applied == [(RESTART_MANAGER, "web")]
        template = world.cluster.objects[DEPLOYMENTS, NAMESPACE, "web"]["spec"]["template"]
        uid = world.cluster.objects[MONITORS, NAMESPACE, "m"]["metadata"]["uid"]
        assert template["metadata"]["annotations"] == {RESTARTED_ANNOTATION: uid}
        await world.until(lambda: phase(world) == "Restarting")
        assert world.condition("CollectorsReady") == ("False", "AwaitingRecreation")
        assert "the operator restarts it" in message(world)
        roll_out(world)
        await world.until(lambda: phase(world) == "Finished")
        await world.until(lambda: world.condition("CollectorsReady")[1] == "AllInjected")
        world.pod("web-stray", monitor="")
        await world.serve(5)
        assert "the one restart of spec.collection.restart was made" in message(world)
        assert world.cluster.applied == [(RESTART_MANAGER, "web")]
        assert world.events().count("RestartStarted") == 1
        assert world.events().count("RestartFinished") == 1
        await process.stop()

    run(story())


def test_workloads_are_restarted_one_after_the_other_also_by_a_new_controller() -> None:
    async def story() -> None:
        world = World()
        for name in ("a", "b"):
            deploy(world, name)
            watch(world, name, f"m-{name}")
        process = world.start()
        await world.until(lambda: bool(world.cluster.applied))
        await world.serve(2)
        ((_, first),) = world.cluster.applied
        second = "b" if first == "a" else "a"
        assert "another workload is being restarted" in message(world, f"m-{second}")
        await process.kill()
        process = world.start()
        await world.serve(2)
        assert [name for _, name in world.cluster.applied] == [first]
        roll_out(world, first, f"m-{first}")
        await world.until(lambda: len(world.cluster.applied) == 2)
        assert world.cluster.applied[1] == (RESTART_MANAGER, second)
        assert phase(world, f"m-{first}") == "Finished"
        await process.stop()

    run(story())


def test_a_monitor_that_is_deleted_gives_its_turn_back() -> None:
    async def story() -> None:
        world = World()
        for name in ("a", "b"):
            deploy(world, name)
            watch(world, name, f"m-{name}")
        process = world.start()
        await world.until(lambda: bool(world.cluster.applied))
        ((_, first),) = world.cluster.applied
        world.cluster.remove(MONITORS, NAMESPACE, f"m-{first}")
        process.application.queue.add(key(f"m-{first}"))
        await world.until(lambda: len(world.cluster.applied) == 2)
        await process.stop()

    run(story())


def test_a_target_that_is_deleted_gives_the_turn_back() -> None:
    async def story() -> None:
        world = World()
        for name in ("a", "b"):
            deploy(world, name)
            watch(world, name, f"m-{name}")
        process = world.start()
        await world.until(lambda: bool(world.cluster.applied))
        ((_, first),) = world.cluster.applied
        world.cluster.remove(DEPLOYMENTS, NAMESPACE, first)
        await world.until(lambda: len(world.cluster.applied) == 2)
        assert world.status(f"m-{first}")["restart"]["message"] == "the target was deleted"
        await process.stop()

    run(story())


def test_a_restart_that_nobody_follows_any_more_holds_the_others_up_for_an_hour_at_most() -> None:
    async def story() -> None:
        world = World()
        for name in ("a", "b"):
            deploy(world, name)
            watch(world, name, f"m-{name}")
        process = world.start()
        await world.until(lambda: bool(world.cluster.applied))
        ((_, first),) = world.cluster.applied
        watch(world, first, f"m-{first}", interval="soon")
        process.application.queue.add(key(f"m-{first}"))
        await world.serve(50)
        assert len(world.cluster.applied) == 1
        await world.serve(15)
        assert len(world.cluster.applied) == 2
        await process.stop()

    run(story())


def no_injector(process: Any) -> None:
    process.api.injects = False


def forbidden(verb: str, resource: str) -> AccessDeniedError:
    return AccessDeniedError(
        f'{resource} is forbidden: User "system:serviceaccount:s:c" cannot {verb} resource '
        f'"{resource}" in API group "" in the namespace "models"'
    )


def no_right(process: Any) -> None:
    process.api.refuse_try["Pod"] = forbidden("create", "pods")


def not_admitted(process: Any) -> None:
    process.api.refuse_try["Pod"] = AccessDeniedError(
        'pods "web-selftest-x" is forbidden: violates PodSecurity "restricted:latest"'
    )


def full_quota(process: Any) -> None:
    process.api.refuse_try["Pod"] = TemporaryError("pods is forbidden: exceeded quota: small")


def no_right_to_patch(process: Any) -> None:
    process.api.refuse_try["Deployment"] = forbidden("patch", "deployments")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (no_injector, "came back without a collector"),
        (no_right, "set restart.enabled to true in the values of its chart"),
        (no_right_to_patch, "set restart.enabled to true in the values of its chart"),
        (full_quota, "exceeded quota: small"),
        (not_admitted, "a dry run was refused: pods"),
    ],
)
def test_a_self_test_that_fails_holds_the_restart_and_says_why(trouble: Any, words: str) -> None:
    async def story() -> None:
        world = World()
        deploy(world)
        watch(world)
        process = world.start()
        trouble(process)
        await world.until(lambda: words in message(world), 120)
        await world.serve(3)
        assert world.cluster.applied == []
        assert "restart" not in world.status()
        assert world.condition("Ready")[0] == "True"
        process.api.injects = True
        process.api.refuse_try.clear()
        await world.until(lambda: bool(world.cluster.applied))
        await process.stop()

    run(story())


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"mode": "Observe"}, "spec.mode is Observe"), ({"suspend": True}, "suspended")],
)
def test_a_monitor_that_only_looks_restarts_nothing(changes: dict[str, Any], words: str) -> None:
    async def story() -> None:
        world = World()
        deploy(world)
        watch(world, **changes)
        process = world.start()
        await world.serve(3)
        assert world.cluster.applied == []
        assert words in message(world)
        await process.stop()

    run(story())


def test_a_monitor_that_does_not_ask_for_it_restarts_nothing() -> None:
    async def story() -> None:
        world = World()
        deploy(world)
        world.monitor(spec())
        process = world.start()
        await world.serve(3)
        assert world.cluster.applied == []
        assert "run `kubectl rollout restart deployment/web -n models`" in message(world)
        await process.stop()

    run(story())


def service(port: int | str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": port}]},
    }


def test_a_restart_that_would_show_nothing_waits_for_what_keeps_collectors_from_the_traffic() -> (
    None
):
    async def story() -> None:
        world = World()
        deploy(world)
        world.cluster.put(SERVICES, service(8080))
        watch(world)
        process = world.start()
        await world.serve(3)
        assert world.cluster.applied == []
        assert "what follows has to be mended first; Service web" in message(world)
        world.cluster.put(SERVICES, service("http"))
        await world.until(lambda: bool(world.cluster.applied), 180)
        await process.stop()

    run(story())


def test_a_paused_rollout_is_left_alone() -> None:
    async def story() -> None:
        world = World()
        deploy(world)
        body = world.cluster.objects[DEPLOYMENTS, NAMESPACE, "web"]
        body["spec"]["paused"] = True
        watch(world)
        process = world.start()
        await world.serve(3)
        assert world.cluster.applied == []
        assert "its rollout is paused" in message(world)
        body["spec"]["paused"] = False
        await world.until(lambda: bool(world.cluster.applied))
        await process.stop()

    run(story())


def test_a_restart_whose_pods_cannot_start_ends_with_the_breaker() -> None:
    async def story() -> None:
        world = World()
        deploy(world)
        watch(world)
        process = world.start()
        await world.until(lambda: phase(world) == "Restarting")
        stuck_pod(world, "web-new")
        await world.until(lambda: phase(world) == "Failed", 180)
        assert "injection was paused (ImageUnavailable)" in world.status()["restart"]["message"]
        assert world.status()["injection"]["breaker"] == "Open"
        assert "RestartFailed" in world.events()
        await process.stop()

    run(story())


@pytest.mark.parametrize("after_effect", [False, True])
def test_one_restart_is_made_whichever_call_is_the_last_of_a_controller(after_effect: bool) -> None:
    async def story(killer: Killer) -> World:
        world = World()
        deploy(world)
        watch(world)
        process = world.start(killer)
        await world.serve(2)
        await process.kill()
        heir = world.start()
        await world.until(lambda: phase(world) == "Restarting", 180)
        roll_out(world)
        await world.until(lambda: phase(world) == "Finished", 180)
        await world.serve(2)
        await heir.stop()
        return world

    watcher = Killer()
    run(story(watcher))
    applied = watcher.calls.index("apply Deployment") + 1
    deaths = 0
    for step in range(applied - 6, applied + 6):
        killer = Killer(step, after_effect=after_effect)
        world = run(story(killer))
        deaths += killer.dead.is_set()
        assert world.cluster.applied == [(RESTART_MANAGER, "web")], f"killed at call {step}"
    assert deaths >= 2


def test_the_collector_of_a_deleted_monitor_of_the_same_name_is_renewed_too() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        settle(world)
        world.pod("web-old")
        environment = [{"name": ENV_MONITOR_UID, "value": "uid-of-before"}]
        container = world.cluster.objects[PODS, NAMESPACE, "web-old"]["spec"]["initContainers"][0]
        container["env"] = environment
        watch(world)
        process = world.start()
        await world.until(lambda: bool(world.cluster.applied))
        await process.stop()

    run(story())
