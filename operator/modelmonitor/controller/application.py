"""The controller, put together: one queue, one schedule, passes, and the sweep; gateways come in.

`main` gives it the real gateways and the lease; tests give it others and virtual time.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, parse_monitor
from modelmonitor.controller.gateways.api_server import MONITORS, ApiServer
from modelmonitor.controller.gateways.collectors import Collectors
from modelmonitor.controller.gateways.errors import ConflictError, GatewayError
from modelmonitor.controller.gateways.store import ObjectStore
from modelmonitor.controller.reconcile.announce import Announcer
from modelmonitor.controller.reconcile.baseline import Baselines
from modelmonitor.controller.reconcile.claims import Claims, claim_of
from modelmonitor.controller.reconcile.collection import Puller
from modelmonitor.controller.reconcile.journal import delete_journal, stored_journals
from modelmonitor.controller.reconcile.monitors import Reconciler
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.controller.reconcile.plan import Planner
from modelmonitor.controller.reconcile.services import Fence, NotLeadingError, Services
from modelmonitor.controller.reconcile.state import States
from modelmonitor.controller.reconcile.turns import Turns
from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.controller.runtime.fingerprints import Fingerprints
from modelmonitor.controller.runtime.metrics import WorkMetrics
from modelmonitor.controller.runtime.queue import KeyedQueue
from modelmonitor.controller.runtime.scheduler import Scheduler
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.settings import Settings

logger = logging.getLogger(__name__)

WORKERS: Final = 16
"""Passes at the same time; they mostly wait for the API server and for collectors."""
SWEEP_EVERY: Final = 600.0
"""Seconds between sweeps for monitors whose deletion or creation no watch has told."""
CONFLICT_PAUSE: Final = 0.2
"""Seconds before a pass that met a conflict is made again."""


@dataclass(frozen=True, slots=True)
class Gateways:
    """The outer world."""

    api: ApiServer
    store: ObjectStore
    collectors: Collectors
    hash_key: Callable[[str], str]
    """See `Services`."""


class Application:
    """All monitors of one leading controller."""

    def __init__(
        self,
        gateways: Gateways,
        *,
        clock: Clock,
        fence: Fence,
        metrics: WorkMetrics,
        settings: Settings,
    ) -> None:
        self._api = gateways.api
        self._store = gateways.store
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._background: set[asyncio.Task[None]] = set()
        self._fingerprints = Fingerprints()
        self.claims = Claims()
        self.turns = Turns()
        self.states = States()
        self.queue: KeyedQueue[Key] = KeyedQueue(clock)
        self.scheduler: Scheduler[Key] = Scheduler(clock, self.queue.add)
        services = Services(
            api=gateways.api,
            store=gateways.store,
            puller=Puller(gateways.collectors, clock, metrics),
            planner=Planner(gateways.api, Baselines(gateways.api), self.claims, settings, clock),
            claims=self.claims,
            turns=self.turns,
            announcer=Announcer(gateways.api, clock, metrics, settings.pod_name),
            clock=clock,
            fence=fence,
            metrics=metrics,
            settings=settings,
            hash_key=gateways.hash_key,
            spawn=self._spawn,
        )
        self.reconciler = Reconciler(services, self.states, self.queue.add)

    async def run(self, listed: Callable[[], None]) -> None:
        """List the monitors, then make passes for ever.

        Parameters
        ----------
        listed
            Called when the first list is complete.
        """
        await self._first_list()
        listed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.scheduler.run(), name="scheduler")
            group.create_task(self._sweep_for_ever(), name="sweep")
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"worker-{number}")

    async def stop(self) -> None:
        """Store what was judged; call after `run` was cancelled."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.reconciler.save_all()

    async def sweep(self) -> None:
        """Compare the monitors that exist with those that are known.

        Raises
        ------
        TemporaryError
            If the API server or the store does not answer.
        """
        # First what is stored: a monitor that is made meanwhile is then in the list, or not stored.
        stored = await stored_journals(self._store)
        found = [
            each
            for namespace in self._namespaces()
            for each in await self._api.list_references(MONITORS, namespace)
        ]
        existing = {Key(each.namespace, each.name) for each in found}
        known = set(self.states.keys())
        for key in known - existing:
            self._metrics.ghosts.inc()
            self.queue.add(key)  # the pass finds it gone
        for key in existing - known:
            self.queue.add(key)
        for uid in set(stored) - {each.uid for each in found}:
            await delete_journal(self._store, uid)  # deleted while no controller ran

    def monitor_changed(self, key: Key, fingerprint: tuple[str, ...]) -> None:
        """Wake a monitor, unless only its status has changed."""
        if self._fingerprints.changed(key, fingerprint):
            self.queue.add(key)

    def workload_changed(self, namespace: str, workload: Workload) -> None:
        """Wake the monitors of a workload."""
        for key in self.claims.of_workload(namespace, workload):
            self.queue.add(key)

    def _namespaces(self) -> Sequence[str | None]:
        return self._settings.namespaces or (None,)

    async def _first_list(self) -> None:
        """Know every claim before the first pass, so that no younger monitor wins by chance.

        The same for restarts: none begins while another one is under way.
        """
        while True:
            try:
                for namespace in self._namespaces():
                    for body in await self._api.list(MONITORS, namespace):
                        metadata = body["metadata"]
                        key = Key(metadata["namespace"], metadata["name"])
                        try:
                            monitor = parse_monitor(body)
                            self.claims.put(key, claim_of(monitor))
                            self.turns.note(key, monitor)
                        except InvalidMonitorError:
                            self.claims.put(key, None)  # its pass will say so
                        self.queue.add(key)
                return
            except GatewayError as error:
                logger.warning("monitors cannot be listed: %s", error)
                await self._clock.sleep(1.0)

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            try:
                await self.sweep()
            except GatewayError as error:
                logger.warning("no sweep: %s", error)

    async def _work(self) -> None:
        while True:
            key = await self.queue.take()
            started = self._clock.monotonic()
            try:
                result = await self._one(key)
            finally:
                self.queue.done(key)
            self._metrics.reconcile_seconds.labels(result).observe(
                self._clock.monotonic() - started
            )

    async def _one(self, key: Key) -> str:
        """Make one pass and schedule the next; return how it went."""
        try:
            due = await self.reconciler.reconcile(key)
        except ConflictError:
            self.scheduler.at(key, self._clock.now() + CONFLICT_PAUSE)
            return "conflict"
        except NotLeadingError as error:
            self._retry(key, error)
            return "not-leading"
        except GatewayError as error:
            self._retry(key, error)
            return "error"
        except Exception:
            logger.exception("the pass over %s failed; this is a defect", key)
            self._retry(key, None)
            return "defect"
        self.queue.succeeded(key)
        if due is None:
            self.scheduler.drop(key)
            self._fingerprints.forget(key)
        else:
            self.scheduler.at(key, due)
        return "success"

    def _retry(self, key: Key, error: GatewayError | None) -> None:
        delay = self.queue.failed(key)
        if error is not None:
            logger.warning("%s is looked at again in %.1f s: %s", key, delay, error)
        self.scheduler.at(key, self._clock.now() + delay)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
