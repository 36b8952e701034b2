"""The process `modelmonitor controller`: waits for the lease, leads, and stops when it must.

Our tasks live in our loop, Kopf's in its own. A leader that lost the lease must not act any more:
it stops, and ends the process hard if stopping takes too long.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, TypeVar

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from modelmonitor.connection import connect
from modelmonitor.controller.application import Application, Gateways
from modelmonitor.controller.gateways.collectors import HttpCollectors
from modelmonitor.controller.gateways.errors import PermanentError, TemporaryError
from modelmonitor.controller.gateways.keys import LeafTokens, ensure_root, hash_key
from modelmonitor.controller.gateways.kubernetes import KubernetesApiServer
from modelmonitor.controller.gateways.store import open_store
from modelmonitor.controller.handlers.watching import WatchThread
from modelmonitor.controller.runtime.clock import SystemClock
from modelmonitor.controller.runtime.health import Health
from modelmonitor.controller.runtime.lease import Elector
from modelmonitor.controller.runtime.loop import LoopLag
from modelmonitor.controller.runtime.metrics import (
    MonitorSnapshot,
    ProcessSnapshot,
    StateCollector,
    WorkMetrics,
)
from modelmonitor.controller.wakeups import ThreadsafeWakeups
from modelmonitor.core.settings import CONTROLLER_LEASE, METRICS_PORT, Settings
from modelmonitor.logs import configure_logging
from modelmonitor.probes import probe_app

logger = logging.getLogger(__name__)

T = TypeVar("T")

STOP_GRACE: Final = 15.0
"""Seconds for storing checkpoints at the end; less than a pod's usual grace of 30."""
LOST_GRACE: Final = 3.0
"""Seconds for stopping after the lease was lost; another leader may start after five."""
RETRY_PAUSE: Final = 2.0
"""Seconds between attempts to prepare what the first leader makes."""


def run(settings: Settings) -> int:
    """Run the controller until it is told to stop; return the exit code of the process."""
    configure_logging(settings.logging_level)
    # Kopf tells of every event that a handler took; what matters is told by us.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # It also warns that signals do not reach its thread: they are ours.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    try:
        return asyncio.run(Process(settings).run())
    except PermanentError:
        logger.exception("the controller cannot start")
        return 1


class Process:
    """One controller process, leading or waiting."""

    def __init__(self, settings: Settings, metrics_port: int = METRICS_PORT) -> None:
        self._settings = settings
        self._metrics_port = metrics_port
        self._clock = SystemClock()
        self._lag = LoopLag()
        self._health = Health(self._lag)
        self._registry = CollectorRegistry()
        self._metrics = WorkMetrics(self._registry)
        self._stop = asyncio.Event()
        self._application: Application | None = None

    async def run(self) -> int:
        """Serve the probes, wait for the lease, lead; return the exit code."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._stop.set)
        self._register_metrics()
        async with AsyncExitStack() as stack:
            await self._serve(stack)
            lag = asyncio.create_task(self._lag.run(), name="loop-lag")
            stack.callback(lag.cancel)
            api = KubernetesApiServer(await connect())
            stack.push_async_callback(api.close)
            elector = Elector(
                api,
                self._clock,
                namespace=self._settings.namespace,
                name=CONTROLLER_LEASE,
                identity=self._settings.pod_name,
            )
            self._health.lease_age = lambda: elector.age
            logger.info("waiting for the lease %s", CONTROLLER_LEASE)
            await self._unless_stopped(elector.acquire())
            if self._stop.is_set():
                await elector.release()
                return 0
            return await self._lead(api, elector, stack)

    async def _lead(self, api: KubernetesApiServer, elector: Elector, stack: AsyncExitStack) -> int:
        """Lead until told to stop, or until leading is no longer safe; return the exit code."""
        logger.info("leading", extra={"term": elector.term})
        self._health.leading = True
        lease = asyncio.create_task(elector.keep(), name="lease")
        stack.callback(lease.cancel)
        root = await self._unless_stopped(self._root(api))
        if root is None:
            await elector.release()
            return 0
        # Long polls on leaving pods hold connections: a limit would let the others starve.
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        application = self._application = Application(
            Gateways(
                api=api,
                store=open_store(self._settings.store_url),
                collectors=HttpCollectors(session, LeafTokens(root, self._clock.now)),
                hash_key=partial(hash_key, root),
            ),
            clock=self._clock,
            fence=elector,
            metrics=self._metrics,
            settings=self._settings,
        )
        self._health.scheduler_age = lambda: application.scheduler.age
        loop, watch_ended = asyncio.get_running_loop(), asyncio.Event()
        watch = WatchThread(
            ThreadsafeWakeups(application, loop),
            self._settings.namespaces,
            partial(loop.call_soon_threadsafe, watch_ended.set),
        )

        def listed() -> None:
            # Kopf looks once which kinds exist: only now is ours surely there.
            self._health.listed = True
            watch.start()

        work = asyncio.create_task(application.run(listed), name="application")
        others = [
            asyncio.create_task(self._stop.wait(), name="stop"),
            asyncio.create_task(watch_ended.wait(), name="watch"),
        ]
        await asyncio.wait([lease, work, *others], return_when=asyncio.FIRST_COMPLETED)
        lost = lease.done()
        logger.info("stopping", extra={"lease_lost": lost, "told_to": self._stop.is_set()})
        _end_hard_after(LOST_GRACE if lost else STOP_GRACE)
        for task in (work, *others):
            task.cancel()
        results = await asyncio.gather(work, *others, return_exceptions=True)
        if isinstance(results[0], Exception):
            logger.error("the application failed", exc_info=results[0])
        await asyncio.to_thread(watch.stop)
        await application.stop()
        lease.cancel()
        await elector.release()
        return 0 if self._stop.is_set() and not lost else 1

    async def _root(self, api: KubernetesApiServer) -> bytes:
        while True:
            try:
                return await ensure_root(api, self._settings)
            except TemporaryError as error:
                logger.warning("the keys are not there yet: %s", error)
                await self._clock.sleep(RETRY_PAUSE)

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, T]) -> T | None:
        """Return what is waited for, or None if the process is told to stop before."""
        task = asyncio.ensure_future(waiting)
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    async def _serve(self, stack: AsyncExitStack) -> None:
        probes = probe_app(self._health.alive, self._health.ready, self._registry)
        runner = web.AppRunner(probes, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, port=self._metrics_port).start()

    def _register_metrics(self) -> None:
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(StateCollector(self._snapshot, self._monitors, self._clock.now))

    def _monitors(self) -> list[MonitorSnapshot]:
        return [] if self._application is None else self._application.states.snapshots()

    def _snapshot(self) -> ProcessSnapshot:
        application = self._application
        return ProcessSnapshot(
            leader=self._health.leading,
            queue_depth=0 if application is None else application.queue.depth,
            queue_oldest=0.0 if application is None else application.queue.oldest(),
            scheduled=0 if application is None else len(application.scheduler),
            scheduler_age=0.0 if application is None else application.scheduler.age,
            loop_lag=self._lag.seconds,
            lease_age=self._health.lease_age(),
        )


def _end_hard_after(seconds: float) -> None:
    """End the process if it is still there after so many seconds."""
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()
