"""Pods come and go: coverage, last panes, rollouts."""

import asyncio
from typing import Any

from modelmonitor.controller.gateways.api_server import MONITORS, PODS
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.times import format_time
from tests.controller.test_restarts import METRICS, PROFILE, weather
from tests.controller.virtual import BEGIN, run
from tests.controller.world import INTERVAL, NAMESPACE, Traffic, World, key, spec


def body_of(world: World, name: str) -> dict[str, Any]:
    return world.cluster.objects[PODS, NAMESPACE, name]


def test_pods_without_a_collector_are_counted_and_nothing_is_called_ok() -> None:
    async def story() -> None:
        world = World()
        world.deploy(replicas=3)
        for name in ("web-1", "web-2", "web-3"):
            world.pod(name, monitor="")
        await asyncio.sleep(60)
        world.monitor(spec())
        process = world.start()
        await world.serve(4)
        assert world.status()["collectors"] == {
            "matched": 3, "injected": 0, "reachable": 0, "outdated": 0,
        }  # fmt: skip
        assert world.condition("CollectorsReady") == ("False", "AwaitingRecreation")
        assert world.condition("MetricsAvailable") == ("False", "NoCollectors")
        assert world.condition("Ready")[0] == "True"
        assert world.status()["alertState"] == "NoData"
        world.pod("web-3")
        await world.serve(2)
        assert world.status()["collectors"]["injected"] == 1
        assert world.status()["metrics"][1]["reason"] == "PartialObservation"
        assert world.status()["alertState"] == "Unknown"
        await process.stop()

    run(story())


def test_a_collector_that_stops_answering_is_no_silence_of_the_traffic() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        uid = world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        assert world.status()["alertState"] == "OK"
        world.collectors[uid].reachable = False
        await world.serve(4)
        assert world.condition("MetricsAvailable") == ("False", "CollectorUnreachable")
        messages = {each["type"]: each["message"] for each in world.status()["conditions"]}
        assert "policyTypes: [Ingress]" in messages["MetricsAvailable"]
        assert "kubernetes.io/metadata.name: modelmonitor-system" in messages["MetricsAvailable"]
        assert world.status()["alertState"] in {"NoData", "Unknown"}
        assert world.events() == ["Ready"]
        await process.stop()

    run(story())


def test_a_collector_that_delivers_no_pane_is_not_taken_for_no_traffic() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        uid = world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.collectors[uid].configuration is not None)
        world.collectors[uid].mute = True
        await world.serve(4)
        assert world.status()["metrics"][1]["state"] == "NoData"
        await process.stop()

    run(story())


def test_no_request_at_all_is_a_measured_zero() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        world.traffic = lambda _pod, _start: Traffic(requests=0)
        process = world.start()
        await world.serve(2)
        _, traffic = world.status()["metrics"]
        assert (traffic["state"], traffic["value"]) == ("Firing", "0")
        await process.stop()

    run(story())


def test_a_collector_is_configured_as_soon_as_its_pod_is_known() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec(interval="1h"))
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        uid = world.pod("web-1")
        process.application.queue.add(key())  # as the watch of pods does
        await world.until(lambda: world.collectors[uid].configuration is not None, 1)
        configuration = world.collectors[uid].configuration
        assert configuration is not None
        assert configuration.interval == 3600
        await process.stop()

    run(story())


def test_the_last_pane_of_a_pod_that_goes_away_is_taken_and_acknowledged() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        first, second = world.pod("web-1"), world.pod("web-2")
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        leaving = body_of(world, "web-1")
        leaving["metadata"]["deletionTimestamp"] = format_time(world.clock.now())
        process.application.queue.add(key())
        await asyncio.sleep(3)
        collector = world.collectors[first]
        begin = world.clock.now() // INTERVAL * INTERVAL
        world.close(collector, begin, Traffic(), leaving["metadata"]["labels"], final=True)
        await asyncio.sleep(1)
        assert collector.acknowledged == len(collector.panes)
        del world.collectors[first]
        world.cluster.remove(PODS, NAMESPACE, "web-1")
        process.application.queue.add(key())
        await process.kill()  # the pane must be safe already
        process = world.start()
        world.collectors[second].reachable = True
        await world.serve(1)
        state = process.application.states.all()[0]
        panes = [pane.podUID for tick in state.memory.ticks for pane in tick.panes]
        assert panes.count(first) == 3
        await process.stop()

    run(story())


def test_a_pod_that_leaves_is_polled_no_more_once_its_monitor_lost_its_target() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        await asyncio.sleep(60)
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        body_of(world, "web-1")["metadata"]["deletionTimestamp"] = format_time(world.clock.now())
        process.application.queue.add(key())
        await asyncio.sleep(3)
        world.monitor(spec(), "older")
        metadata = world.cluster.objects[MONITORS, NAMESPACE, "older"]["metadata"]
        metadata["creationTimestamp"] = format_time(BEGIN)
        process.application.queue.add(key("older"))
        await world.until(lambda: world.condition("Stalled") == ("True", "Conflicted"))
        world.collectors.clear()
        world.cluster.remove(PODS, NAMESPACE, "web-1")
        process.application.queue.add(key("older"))
        await asyncio.sleep(30)
        pulls = process.killer.calls.count("pull")
        await asyncio.sleep(60)
        assert process.killer.calls.count("pull") == pulls
        await process.stop()

    run(story())


def test_judging_goes_on_where_it_was_after_a_spec_that_could_not_be_read() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(3)
        before = process.application.states.all()[0].memory.ticks
        world.monitor(spec(interval="soon"))
        process.application.queue.add(key())
        await world.until(lambda: world.condition("Ready")[0] == "False")
        assert process.application.states.all() == []
        world.monitor(spec())
        process.application.queue.add(key())
        await world.until(lambda: world.condition("Ready")[0] == "True")
        after = process.application.states.all()[0].memory.ticks
        assert [tick.start for tick in after][: len(before)] == [tick.start for tick in before]
        await process.stop()

    run(story())


def test_a_rollout_is_judged_by_the_new_revision_after_it_has_led_for_two_ticks() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        assert world.status()["revision"] == "r1"
        world.cluster.remove(PODS, NAMESPACE, "web-1")
        world.pod("web-2", revision="r2")
        process.application.queue.add(key())
        await world.serve(1)
        assert world.status()["revision"] == "r1"
        await world.serve(1)
        assert world.status()["revision"] == "r2"
        await process.stop()

    run(story())


def test_a_new_baseline_is_pushed_and_evidence_starts_afresh() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        uid = world.pod("web-1")
        world.baseline(PROFILE)
        world.traffic = weather
        baseline = {"type": "ConfigMap", "configMap": {"name": "baseline"}}
        world.monitor(spec(metrics=METRICS[:1], baseline=baseline))
        process = world.start()
        await world.serve(11)
        assert world.status()["alertState"] == "Critical"
        digest = world.status()["baseline"]["digest"]
        column = PROFILE.columns[0]
        shifted = type(column)(
            **{name: getattr(column, name) for name in column.__struct_fields__}
            | {"cells": [0, 400, 600, 1200, 1800, 0]}
        )
        world.baseline(type(PROFILE)(rows=PROFILE.rows, columns=[shifted], ordered=True))
        await world.serve(1)
        assert world.status()["baseline"]["digest"] != digest
        configuration = world.collectors[uid].configuration
        assert configuration is not None
        assert configuration.baselineDigest == world.status()["baseline"]["digest"]
        await world.serve(4)
        assert world.status()["alertState"] == "OK"
        assert "BaselineChanged" in world.events()
        await process.stop()

    run(story())


def test_suspending_stops_judging_and_collecting() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        uid = world.pod("web-1")
        world.monitor(spec())
        world.traffic = lambda _pod, _start: Traffic(errors=300)
        process = world.start()
        await world.serve(2)
        assert world.status()["alertState"] == "Critical"
        world.monitor(spec(suspend=True))
        process.application.queue.add(key())
        await world.until(lambda: world.status()["alertState"] == "Suspended", 5)
        configuration = world.collectors[uid].configuration
        assert configuration is not None
        assert configuration.suspended
        assert world.condition("Suspended") == ("True", "Suspended")
        assert world.status().get("metrics", []) == []
        await process.stop()

    run(story())


def test_scaled_to_zero_is_unknown_and_never_an_alert() -> None:
    async def story() -> None:
        world = World()
        world.deploy(replicas=0)
        world.monitor(spec())
        process = world.start()
        await world.serve(5)
        assert {each["reason"] for each in world.status()["metrics"]} == {"ScaledToZero"}
        assert world.status()["alertState"] == "Unknown"
        await process.stop()

    run(story())


def test_a_monitor_that_is_gone_leaves_nothing_behind() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        assert world.objects
        world.cluster.remove(MONITORS, NAMESPACE, "m")
        await process.application.sweep()  # no watch has told
        await world.until_gone(process)
        assert world.objects == {}
        assert process.application.states.snapshots() == []
        await process.stop()

    run(story())


def test_what_is_stored_of_a_monitor_deleted_in_our_absence_is_swept() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        process = world.start()
        await world.serve(1)
        await process.kill()
        world.cluster.remove(MONITORS, NAMESPACE, "m")
        world.monitor(spec(), "n")
        process = world.start()
        await world.serve(1)
        uids = {name.split("/")[1] for name in world.objects}
        assert len(uids) == 2
        await process.application.sweep()
        left = {name.split("/")[1] for name in world.objects}
        assert left == {world.cluster.objects[MONITORS, NAMESPACE, "n"]["metadata"]["uid"]}
        await process.stop()

    run(story())


def test_without_the_lease_nothing_is_written_or_created() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        process.fence.held = False
        await world.serve(2)
        assert world.status() == {"observedGeneration": -1}
        assert world.events() == []
        process.fence.held = True
        await world.until(lambda: world.condition("Ready")[0] == "True", 61)
        await process.stop()

    run(story())


def test_a_store_that_is_down_holds_up_nothing_and_loses_nothing() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        process.store.down = True
        world.traffic = lambda _pod, _start: Traffic(errors=300)
        await world.serve(2)
        assert world.status()["alertState"] == "Critical"
        process.store.down = False
        await world.serve(1)
        entries = [name for name in world.objects if "/entries/" in name]
        assert len(entries) >= 5
        await process.stop()

    run(story())


def test_a_deployment_wakes_its_monitors_only() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        await asyncio.sleep(1)
        application = process.application
        application.workload_changed(NAMESPACE, Workload("Deployment", "other"))
        assert application.queue.depth == 0
        application.workload_changed(NAMESPACE, Workload("Deployment", "web"))
        assert application.queue.depth == 1
        await process.stop()

    run(story())
