"""The queue, the schedule, the lease and the probes, on virtual time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelmonitor.api.v1alpha1.status import AlertState, CollectorCounts, MetricState
from modelmonitor.controller.gateways.api_server import LEASES
from modelmonitor.controller.runtime.fingerprints import Fingerprints
from modelmonitor.controller.runtime.health import Health
from modelmonitor.controller.runtime.lease import Elector
from modelmonitor.controller.runtime.loop import LoopLag
from modelmonitor.controller.runtime.metrics import (
    MetricSnapshot,
    MonitorSnapshot,
    ProcessSnapshot,
    StateCollector,
    WorkMetrics,
)
from modelmonitor.controller.runtime.queue import BackOff, KeyedQueue
from modelmonitor.controller.runtime.scheduler import Scheduler
from modelmonitor.core.pane.totals import TrafficTotals
from modelmonitor.probes import probe_app
from tests.controller.memory import Cluster, Killer, MemoryApiServer
from tests.controller.virtual import VirtualClock, VirtualLoop, run


class TestQueue:
    def test_a_key_that_is_added_twice_is_taken_once(self) -> None:
        async def story() -> list[str]:
            queue: KeyedQueue[str] = KeyedQueue(VirtualClock())
            for key in ("a", "b", "a"):
                queue.add(key)
            return [await queue.take() for _ in range(queue.depth)]

        assert run(story()) == ["a", "b"]

    def test_a_key_added_while_it_runs_runs_once_more_afterwards(self) -> None:
        async def story() -> None:
            queue: KeyedQueue[str] = KeyedQueue(VirtualClock())
            queue.add("a")
            assert await queue.take() == "a"
            queue.add("a")
            queue.add("a")
            assert (queue.depth, queue.running) == (0, 1)
            queue.done("a")
            assert await queue.take() == "a"
            queue.done("a")
            assert (queue.depth, queue.running) == (0, 0)

        run(story())

    def test_no_key_is_ever_run_by_two_workers(self) -> None:
        async def story() -> int:
            queue: KeyedQueue[int] = KeyedQueue(VirtualClock())
            busy: set[int] = set()
            taken = 0

            async def work() -> None:
                nonlocal taken
                while True:
                    key = await queue.take()
                    assert key not in busy
                    busy.add(key)
                    await asyncio.sleep(0.1 + key / 100)
                    busy.discard(key)
                    taken += 1
                    queue.done(key)

            workers = [asyncio.create_task(work()) for _ in range(4)]
            for number in range(200):
                queue.add(number % 5)
                await asyncio.sleep(0.01)
            await asyncio.sleep(5)
            assert not any(worker.done() for worker in workers)
            for worker in workers:
                worker.cancel()
            return taken

        assert 5 <= run(story()) < 200

    def test_back_off_doubles_to_its_limit_and_ends_with_a_success(self) -> None:
        async def story() -> None:
            queue: KeyedQueue[str] = KeyedQueue(VirtualClock(), BackOff(first=1.0, limit=60.0))
            delays = [queue.failed("a") for _ in range(10)]
            assert all(
                0.75 * full <= delay <= full
                for delay, full in zip(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True)
            )
            queue.succeeded("a")
            assert queue.failed("a") <= 1.0

        run(story())

    def test_failures_of_keys_that_came_together_are_spread(self) -> None:
        back_off = BackOff()
        delays = {round(back_off.delay(f"monitor-{number}", 5), 3) for number in range(100)}
        assert len(delays) > 90


class TestScheduler:
    def test_keys_are_handed_over_when_they_are_due_and_not_before(self) -> None:
        async def story() -> list[tuple[str, float]]:
            clock = VirtualClock()
            begin = clock.now()
            seen: list[tuple[str, float]] = []
            scheduler: Scheduler[str] = Scheduler(
                clock, lambda key: seen.append((key, round(clock.now() - begin, 3)))
            )
            task = asyncio.create_task(scheduler.run())
            scheduler.at("late", begin + 50)
            scheduler.at("soon", begin + 2.5)
            scheduler.at("moved", begin + 1)
            scheduler.at("moved", begin + 7)
            scheduler.at("dropped", begin + 3)
            scheduler.drop("dropped")
            await asyncio.sleep(20)
            assert scheduler.age <= 1.0
            assert len(scheduler) == 1
            task.cancel()
            return seen

        assert run(story()) == [("soon", 2.5), ("moved", 7.0)]

    def test_a_time_set_earlier_wakes_the_sleeping_schedule(self) -> None:
        async def story() -> float:
            clock = VirtualClock()
            begin = clock.now()
            due = asyncio.Event()
            scheduler: Scheduler[str] = Scheduler(clock, lambda _: due.set())
            task = asyncio.create_task(scheduler.run())
            scheduler.at("a", begin + 100)
            await asyncio.sleep(0.25)
            scheduler.at("a", begin + 0.3)
            await due.wait()
            task.cancel()
            return clock.now() - begin

        assert run(story()) == pytest.approx(0.3, abs=0.01)


def elector(cluster: Cluster, identity: str) -> tuple[Elector, MemoryApiServer]:
    api = MemoryApiServer(cluster, Killer())
    made = Elector(api, VirtualClock(), namespace="system", name="lease", identity=identity)
    return made, api


class TestLease:
    def test_one_leads_and_the_other_follows_when_it_is_silent(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            first, _ = elector(cluster, "a")
            second, _ = elector(cluster, "b")
            await first.acquire()
            keeping = asyncio.create_task(first.keep())
            waiting = asyncio.create_task(second.acquire())
            await asyncio.sleep(60)
            assert first.recently_renewed()
            assert not waiting.done()
            keeping.cancel()
            began = asyncio.get_running_loop().time()
            await waiting
            waited = asyncio.get_running_loop().time() - began
            assert 10 <= waited <= 20
            assert not first.recently_renewed()
            assert second.term > first.term

        run(story())

    def test_a_leader_that_cannot_renew_stops_before_another_may_start(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            first, api = elector(cluster, "a")
            second, _ = elector(cluster, "b")
            await first.acquire()
            keeping = asyncio.create_task(first.keep())
            waiting = asyncio.create_task(second.acquire())
            await asyncio.sleep(20)
            api.down = True
            await keeping
            assert not first.recently_renewed()
            assert not waiting.done()
            await waiting
            assert second.recently_renewed()

        run(story())

    def test_a_lease_that_was_taken_is_lost_at_the_next_renewal(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            first, _ = elector(cluster, "a")
            await first.acquire()
            keeping = asyncio.create_task(first.keep())
            lease = cluster.objects[LEASES, "system", "lease"]
            spec = {**lease["spec"], "holderIdentity": "b", "leaseTransitions": 7}
            cluster.put(LEASES, {**lease, "spec": spec})
            await asyncio.wait_for(keeping, 5)
            assert not first.recently_renewed()

        run(story())

    def test_a_touched_lease_is_still_ours(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            first, _ = elector(cluster, "a")
            await first.acquire()
            keeping = asyncio.create_task(first.keep())
            for _ in range(5):
                cluster.put(LEASES, cluster.objects[LEASES, "system", "lease"])
                await asyncio.sleep(5)
            assert first.recently_renewed()
            keeping.cancel()

        run(story())

    def test_a_restarted_container_leads_at_once_with_a_new_term(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            first, _ = elector(cluster, "a")
            await first.acquire()
            again, _ = elector(cluster, "a")
            began = asyncio.get_running_loop().time()
            await again.acquire()
            assert asyncio.get_running_loop().time() - began < 1
            assert again.term == first.term + 1

        run(story())

    def test_a_lease_that_is_given_back_is_free_at_once(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            first, _ = elector(cluster, "a")
            second, _ = elector(cluster, "b")
            await first.acquire()
            await first.release()
            assert not first.recently_renewed()
            began = asyncio.get_running_loop().time()
            await second.acquire()
            assert asyncio.get_running_loop().time() - began < 1

        run(story())

    def test_of_candidates_that_come_together_one_wins(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            electors = [elector(cluster, str(number))[0] for number in range(5)]
            tasks = [asyncio.create_task(one.acquire()) for one in electors]
            await asyncio.sleep(10)
            assert sum(task.done() for task in tasks) == 1
            for task in tasks:
                task.cancel()

        run(story())


def test_equal_fingerprints_are_echoes() -> None:
    seen = Fingerprints()
    assert seen.changed("a", ("1", "2"))
    assert not seen.changed("a", ("1", "2"))
    assert seen.changed("a", ("1", "3"))
    seen.forget("a")
    assert seen.changed("a", ("1", "3"))


async def answers(health: Health) -> tuple[int, int]:
    async with TestClient(
        TestServer(probe_app(health.alive, health.ready, CollectorRegistry()))
    ) as client:
        return (await client.get("/livez")).status, (await client.get("/readyz")).status


class TestHealth:
    async def test_a_stand_by_is_alive_and_ready(self) -> None:
        assert await answers(Health(LoopLag())) == (200, 200)

    async def test_a_leader_is_ready_once_it_has_listed(self) -> None:
        health = Health(LoopLag(), leading=True)
        assert await answers(health) == (200, 503)
        health.listed = True
        assert await answers(health) == (200, 200)

    @pytest.mark.parametrize(
        "ages",
        [{"scheduler_age": lambda: 60.0}, {"lease_age": lambda: 60.0}],
        ids=["schedule", "lease"],
    )
    async def test_a_leader_that_stands_still_is_restarted(self, ages: dict[str, Any]) -> None:
        health = Health(LoopLag(), leading=True, listed=True, **ages)
        assert await answers(health) == (503, 503)

    def test_the_lag_of_a_blocked_loop_is_measured(self) -> None:
        async def story() -> float:
            lag = LoopLag()
            task = asyncio.create_task(lag.run())
            loop = asyncio.get_running_loop()
            await asyncio.sleep(0.6)
            assert lag.seconds == 0
            assert isinstance(loop, VirtualLoop)
            loop.block(7)
            await asyncio.sleep(0.1)
            task.cancel()
            return lag.seconds

        assert run(story()) > 5


def samples(registry: CollectorRegistry, name: str) -> Sequence[tuple[dict[str, str], float]]:
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if sample.name == name
    ]


def test_gauges_show_what_is_and_forget_what_is_gone() -> None:
    monitors = [
        MonitorSnapshot(
            "models",
            "m",
            AlertState.CRITICAL,
            (
                MetricSnapshot("errors", MetricState.FIRING, 0.5),
                MetricSnapshot("traffic", MetricState.NO_DATA, None),
            ),
            evaluated_at=70.0,
            coverage=0.75,
            pods=CollectorCounts(matched=4, injected=3, reachable=2, outdated=1),
            totals=TrafficTotals(requests=7, sampled=6, decoded=5, dropped_bytes=2**53 - 1),
        )
    ]
    process = ProcessSnapshot(
        leader=True,
        queue_depth=3,
        queue_oldest=0.5,
        scheduled=7,
        scheduler_age=0.1,
        loop_lag=0.0,
        lease_age=1.5,
    )
    registry = CollectorRegistry()
    WorkMetrics(registry)
    registry.register(StateCollector(lambda: process, lambda: monitors, lambda: 100.0))
    assert samples(registry, "modelmonitor_queue_depth") == [({}, 3.0)]
    assert samples(registry, "modelmonitor_lease_age_seconds") == [({}, 1.5)]
    where = {"namespace": "models", "monitor": "m"}
    assert samples(registry, "modelmonitor_verdict_age_seconds") == [(where, 30.0)]
    values = samples(registry, "modelmonitor_metric_value")
    assert values == [({**where, "metric": "errors"}, 0.5)]
    states = {
        labels["state"]: value
        for labels, value in samples(registry, "modelmonitor_monitor_alert_state")
    }
    assert states["Critical"] == 1.0
    assert sum(states.values()) == 1.0
    pods = {
        labels["state"]: value for labels, value in samples(registry, "modelmonitor_monitor_pods")
    }
    assert pods == {"matched": 4, "injected": 3, "reachable": 2, "outdated": 1}
    assert samples(registry, "modelmonitor_monitor_coverage_ratio") == [(where, 0.75)]
    counted = {
        kind: samples(registry, f"modelmonitor_monitor_{kind}_total")[0]
        for kind in ("requests", "sampled_requests", "decoded_requests", "dropped_bytes")
    }
    assert counted == {
        "requests": (where, 7),
        "sampled_requests": (where, 6),
        "decoded_requests": (where, 5),
        "dropped_bytes": (where, 2**53 - 1),
    }
    monitors.clear()
    assert samples(registry, "modelmonitor_metric_value") == []
    assert samples(registry, "modelmonitor_monitor_requests_total") == []
    assert samples(registry, "modelmonitor_monitor_pods") == []
