"""How much of the traffic is seen: quietly in the status, exactly in the metrics; and the floor."""

from typing import Any

import pytest

from modelmonitor.controller.gateways.api_server import JOBS, MONITORS, PODS
from tests.controller.virtual import run
from tests.controller.world import NAMESPACE, RETRAINING, Traffic, World, spec

FAILING = Traffic(errors=300)


def message(world: World, kind: str) -> str:
    found = [one for one in world.status()["conditions"] if one["type"] == kind]
    return str(found[0]["message"])


def test_the_status_says_what_was_observed_and_the_metrics_how_much_exactly() -> None:
    async def story() -> None:
        world = World()
        world.deploy(replicas=2)
        world.pod("web-1")
        world.pod("web-2")
        world.traffic = lambda _pod, _start: Traffic(
            requests=100, copied=960, protocols={"http/OpenInference": 100}
        )
        world.monitor(spec())
        process = world.start()
        await world.serve(3)
        await world.until(lambda: "protocols" in world.status()["collection"], 301)
        collection = world.status()["collection"]
        assert collection["observedShare"] == "0.960"
        assert collection["protocols"] == ["http: OpenInference (100%)"]
        assert world.status()["coverage"] == "0.960"
        assert message(world, "CollectorsReady") == (
            "2 of 2 pods carry a collector; http: OpenInference"
        )
        (snapshot,) = process.application.states.snapshots()
        totals = snapshot.totals
        panes = sum(len(each.panes) for each in world.collectors.values())
        assert (totals.requests, totals.dropped_bytes) == (100 * panes, 40 * panes)
        assert totals.forwarded_bytes == totals.copied_bytes + totals.dropped_bytes
        await process.stop()

    run(story())


def test_the_last_pane_of_a_pod_that_is_gone_is_in_the_totals() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        uid = world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(2)
        body = world.cluster.objects[PODS, NAMESPACE, "web-1"]
        body["metadata"]["deletionTimestamp"] = "2027-01-15T08:02:00Z"
        (state,) = process.application.states.all()
        await world.until(lambda: state.collection.sessions[uid].leaving)
        collector = world.collectors[uid]
        begun = world.clock.now() // 60 * 60
        served = Traffic(requests=17)
        world.close(collector, begun, served, body["metadata"]["labels"], final=True)
        await world.until(lambda: state.collection.sessions[uid].finished)
        counted = sum(pane.requests.seen for pane in collector.panes)
        assert state.collection.inbox.totals.requests == counted
        await process.stop()

    run(story())


def test_a_share_that_moves_writes_no_status_before_five_minutes_have_passed() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        copied = iter(range(999, 900, -1))
        world.traffic = lambda _pod, _start: Traffic(copied=next(copied))
        world.monitor(spec())
        process = world.start()
        await world.serve(3)
        seen: list[str] = []
        for _ in range(10):
            await world.serve(1)
            seen.append(world.status()["coverage"])
        assert 2 <= len(set(seen)) <= 4
        await process.stop()

    run(story())


def test_a_new_controller_goes_on_saying_what_was_recognised() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.traffic = lambda _pod, _start: Traffic(protocols={"http/KServeV1": 5})
        world.monitor(spec())
        process = world.start()
        await world.serve(8)
        assert world.status()["collection"]["protocols"] == ["http: KServeV1 (100%)"]
        await process.kill()
        world.traffic = lambda _pod, _start: Traffic(requests=0)
        process = world.start()
        await world.serve(8)
        assert world.status()["collection"]["protocols"] == ["http: KServeV1 (100%)"]
        assert message(world, "CollectorsReady").endswith("; http: KServeV1")
        await process.stop()

    run(story())


@pytest.mark.parametrize(("copied", "held"), [(900, False), (899, True)])
def test_below_the_floor_nothing_is_judged_and_retraining_is_held(copied: int, held: bool) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec(retraining=RETRAINING))
        process = world.start()
        await world.serve(2)
        world.traffic = lambda _pod, _start: Traffic(errors=300, copied=copied)
        await world.serve(4)
        errors = world.status()["metrics"][0]
        assert (errors["reason"] == "PartialObservation") is held
        assert (world.cluster.all(JOBS) == []) is held
        assert world.status()["coverage"] == f"0.{copied}"
        await process.stop()

    run(story())


def test_an_alert_that_fires_retrains_nothing_while_too_little_is_seen() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        retraining: dict[str, Any] = {**RETRAINING, "when": {"metrics": ["errors"]}}
        world.monitor(spec())
        world.traffic = lambda _pod, _start: FAILING
        process = world.start()
        await world.serve(3)
        assert world.status()["alertState"] == "Critical"
        world.traffic = lambda _pod, _start: Traffic(errors=300, copied=500)
        await world.serve(1)
        world.monitor(spec(retraining=retraining))
        process.application.queue.add(next(iter(process.application.states.keys())))
        await world.serve(2)
        assert world.status()["alertState"] == "Critical"  # noDataPolicy Hold keeps it
        assert world.condition("RetrainingActive") == ("False", "Held")
        assert world.cluster.all(JOBS) == []
        assert world.cluster.objects[MONITORS, NAMESPACE, "m"]["metadata"]["generation"] == 2
        world.traffic = lambda _pod, _start: FAILING
        await world.serve(2)
        assert len(world.cluster.all(JOBS)) == 1
        await process.stop()

    run(story())
