"""The injector's memory of monitors: a list, then a watch, for as long as the process lives.

While the API server cannot be reached, the last known monitors stay in force: pods of known
monitors go on being injected.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, parse_monitor
from modelmonitor.injector.api_server import ApiServer, ApiServerError, Body, ExpiredError
from modelmonitor.injector.backoff import Backoff
from modelmonitor.injector.metrics import InjectorMetrics
from modelmonitor.injector.plan import InjectionPlan, PlanBook, plan_of

FIRST_DELAY: Final = 0.2
MAX_DELAY: Final = 30.0

logger = logging.getLogger(__name__)


class MonitorWatch:
    """Keeps the plans of one namespace, or of all, as the API server has them."""

    def __init__(
        self,
        api: ApiServer,
        plans: PlanBook,
        metrics: InjectorMetrics,
        namespace: str | None = None,
        on_listed: Callable[[], None] = lambda: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._plans = plans
        self._metrics = metrics
        self._namespace = namespace
        self._on_listed = on_listed
        self._alive = alive
        self._backoff = Backoff(FIRST_DELAY, MAX_DELAY)

    async def run(self) -> None:
        """List and watch until cancelled."""
        version = ""
        while True:
            self._alive()
            try:
                if not version:
                    version = await self._list()
                version = await self._follow(version)
                self._backoff.reset()
                await asyncio.sleep(FIRST_DELAY)  # a server that ends every stream at once
            except ExpiredError:
                version = ""
            except ApiServerError as error:
                self._metrics.watch_failures.inc()
                delay = self._backoff.next()
                logger.warning("monitors: %s; next try in %.1f s", error, delay)
                # What was missed meanwhile is only certain after a new list.
                version = ""
                await asyncio.sleep(delay)
            except Exception:
                # One odd object must not end the injection of all others' pods.
                self._metrics.watch_failures.inc()
                logger.exception("monitors: an event could not be taken in")
                version = ""
                await asyncio.sleep(self._backoff.next())

    async def _list(self) -> str:
        listed = await self._api.list_monitors(self._namespace)
        self._plans.replace(self._namespace, [_plan(body) for body in listed.items])
        self._metrics.monitors.set(len(self._plans))
        self._on_listed()
        return listed.resource_version

    async def _follow(self, version: str) -> str:
        async for event in self._api.watch_monitors(self._namespace, version):
            self._alive()
            self._backoff.reset()
            version = event.object["metadata"]["resourceVersion"]
            if event.type == "BOOKMARK":
                continue
            if event.type == "DELETED":
                metadata = event.object["metadata"]
                self._plans.remove(metadata["namespace"], metadata["name"])
            else:
                self._plans.put(_plan(event.object))
            self._metrics.monitors.set(len(self._plans))
        return version


def _plan(body: Body) -> InjectionPlan:
    """Return the plan of a monitor; one that cannot be read claims no workload, but is known."""
    metadata = body["metadata"]
    try:
        return plan_of(parse_monitor(body))
    except InvalidMonitorError as error:
        logger.warning(
            "monitor %s/%s is invalid: %s", metadata["namespace"], metadata["name"], error
        )
        return InjectionPlan(
            namespace=metadata["namespace"],
            monitor=metadata["name"],
            created=metadata.get("creationTimestamp", ""),
        )
