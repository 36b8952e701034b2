"""What the injector knows of monitors follows the API server, through every kind of break."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

from modelmonitor.api.v1alpha1.status import BreakerState
from modelmonitor.injector.api_server import ApiServerError, ExpiredError, WatchEvent
from modelmonitor.injector.metrics import InjectorMetrics
from modelmonitor.injector.plan import PlanBook
from modelmonitor.injector.watch import MonitorWatch
from tests.injector.memory import MemoryApiServer
from tests.injector.monitors import monitor_body, with_breaker


class Running:
    """A watch at work on an API server in memory."""

    def __init__(self, namespace: str | None = None) -> None:
        self.api = MemoryApiServer()
        self.plans = PlanBook()
        self.listed = asyncio.Event()
        self.registry = CollectorRegistry()
        self.watch = MonitorWatch(
            self.api,
            self.plans,
            InjectorMetrics(self.registry),
            namespace,
            on_listed=self.listed.set,
        )

    def names(self) -> set[str]:
        return {name for name in ("a", "b", "c") if self.plans.by_name("models", name)}


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    running.api.put(monitor_body("a"))
    task = asyncio.create_task(running.watch.run())
    yield running
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


async def test_the_first_list_is_announced_once_it_is_complete(running: Running) -> None:
    await eventually(running.listed.is_set)
    assert running.names() == {"a"}


async def test_nothing_is_announced_while_there_is_no_list() -> None:
    running = Running()
    running.api.down = ApiServerError("no answer")
    task = asyncio.create_task(running.watch.run())
    failures = "modelmonitor_injector_watch_failures_total"
    await eventually(lambda: (running.registry.get_sample_value(failures) or 0) >= 2)
    assert not running.listed.is_set()
    running.api.down = None
    await eventually(running.listed.is_set)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_change_what_is_known(running: Running) -> None:
    running.api.events.put_nowait(WatchEvent("ADDED", monitor_body("b")))
    await eventually(lambda: running.names() == {"a", "b"})
    opened = monitor_body("a", status=with_breaker("Open"))
    running.api.events.put_nowait(WatchEvent("MODIFIED", opened))
    running.api.events.put_nowait(WatchEvent("DELETED", monitor_body("b")))
    await eventually(lambda: running.names() == {"a"})
    plan = running.plans.by_name("models", "a")
    assert plan is not None
    assert plan.breaker.state is BreakerState.OPEN


async def test_a_stream_that_ends_is_resumed_where_the_last_bookmark_was(
    running: Running,
) -> None:
    bookmark = WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "42"}})
    running.api.events.put_nowait(bookmark)
    running.api.events.put_nowait(None)
    await eventually(lambda: running.api.watched_from == ["1", "42"])
    assert running.api.lists == 1


async def test_an_expired_version_leads_to_a_new_list_that_forgets_what_is_gone(
    running: Running,
) -> None:
    await eventually(running.listed.is_set)
    running.api.monitors.clear()
    running.api.put(monitor_body("c"))
    running.api.events.put_nowait(ExpiredError("too old"))
    await eventually(lambda: running.names() == {"c"})
    assert running.api.lists == 2


async def test_known_monitors_stay_in_force_while_the_api_server_is_away(
    running: Running,
) -> None:
    await eventually(running.listed.is_set)
    running.api.down = ApiServerError("no answer")
    running.api.events.put_nowait(ApiServerError("broken"))
    await eventually(running.api.events.empty)
    assert running.names() == {"a"}
    running.api.put(monitor_body("b"))
    running.api.down = None
    await eventually(lambda: running.names() == {"a", "b"})


async def test_a_monitor_that_cannot_be_read_hurts_no_other(running: Running) -> None:
    broken = monitor_body("b", spec={"collection": {"ports": "none"}})
    running.api.events.put_nowait(WatchEvent("ADDED", broken))
    running.api.events.put_nowait(WatchEvent("ADDED", {"metadata": {"resourceVersion": "9"}}))
    await eventually(lambda: running.api.lists == 2)
    running.api.put(monitor_body("c"))
    running.api.events.put_nowait(WatchEvent("ADDED", broken))
    running.api.events.put_nowait(WatchEvent("ADDED", monitor_body("c")))
    await eventually(lambda: running.names() == {"a", "b", "c"})
    plan = running.plans.by_name("models", "b")
    assert plan is not None
    assert plan.workload is None


async def test_a_watch_of_one_namespace_forgets_nothing_of_others() -> None:
    running = Running("models")
    other = Running("other")
    other.plans = running.plans
    running.api.put(monitor_body("a"))
    running.api.put(monitor_body("x", namespace="other"))
    other.watch = MonitorWatch(
        running.api, running.plans, InjectorMetrics(CollectorRegistry()), "other"
    )
    tasks = [asyncio.create_task(one.watch.run()) for one in (running, other)]
    await eventually(lambda: running.api.lists == 2)
    await eventually(lambda: len(running.plans) == 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
