"""What stands around a target in its namespace, and what that will do to observation.

The pod template and NetworkPolicies decide whether pods are injected at all (`plan`). Services,
quotas and LimitRanges do not: injected pods may see no traffic, or not be created. That is told
with CollectorsReady, and in full by `modelmonitor doctor`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.controller.gateways.api_server import (
    LIMIT_RANGES,
    QUOTAS,
    SERVICES,
    ApiServer,
    Body,
    Resource,
)
from modelmonitor.controller.gateways.errors import AccessDeniedError
from modelmonitor.controller.reconcile.objects import Target
from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.core.injection.capture import capture_of
from modelmonitor.core.injection.preflight import Candidate, Level, Surroundings, preflight

logger = logging.getLogger(__name__)

LIFE: Final = 60.0
"""Seconds for which what was found in a namespace serves all its monitors."""
_FIELDS: Final = ("selector", "ports", "clusterIP", "limits", "hard", "scopes", "scopeSelector")
"""What is kept of a spec: thousands of namespaces are remembered at once."""


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    """Seconds on the monotonic clock."""
    surroundings: Surroundings


class Neighbourhoods:
    """Asks the API server what stands in namespaces; what may not be listed counts as nothing."""

    def __init__(self, api: ApiServer, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._denied: set[str] = set()

    async def of(self, namespace: str) -> Surroundings:
        """Return what stands in a namespace, at most `LIFE` old.

        Raises
        ------
        TemporaryError
            If the API server does not answer.
        """
        now = self._clock.monotonic()
        self._forget(now)
        seen = self._seen.get(namespace)
        if seen is None or now - seen.at >= LIFE:
            surroundings = Surroundings(
                services=await self._list(SERVICES, namespace),
                limit_ranges=await self._list(LIMIT_RANGES, namespace),
                quotas=await self._list(QUOTAS, namespace),
            )
            self._seen.pop(namespace, None)
            seen = self._seen[namespace] = _Seen(now, surroundings)
        return seen.surroundings

    def _forget(self, now: float) -> None:
        """Forget what is too old; the oldest stands first."""
        while self._seen:
            first = next(iter(self._seen))
            if now - self._seen[first].at < LIFE:
                return
            del self._seen[first]

    async def _list(self, resource: Resource, namespace: str) -> Sequence[Body]:
        try:
            bodies = await self._api.list(resource, namespace)
        except AccessDeniedError as error:
            if resource.kind not in self._denied:
                logger.warning(
                    "%s objects cannot be looked at, so that conditions do not tell of them: %s; "
                    "update the operator's role",
                    resource.kind,
                    error,
                )
            self._denied.add(resource.kind)
            return ()
        return [_kept(body) for body in bodies]


def foreseen(
    monitor: ModelMonitor, target: Target, without: int, surroundings: Surroundings
) -> str:
    """Return the first problem beyond pod template and policies, with its fix; empty: none.

    Parameters
    ----------
    monitor, target
        Of which the pod template itself is no obstacle.
    without
        How many pods still get a collector.
    surroundings
        What stands in the namespace.
    """
    candidate = Candidate(
        namespace=monitor.metadata.namespace,
        metadata=target.template_metadata,
        spec=target.template_spec,
        pods=without,
        capture=capture_of(monitor.spec.collection),
        requests=monitor.spec.collection.resources.requests,
        limits=monitor.spec.collection.resources.limits,
        monitor=monitor.metadata.name,
    )
    found = preflight(candidate, surroundings)
    problems = [f"{one.subject} {one.message}" for one in found if one.level is Level.PROBLEM]
    if not problems:
        return ""
    more = len(problems) - 1
    place = f"{target.workload} -n {monitor.metadata.namespace}"
    rest = f"; {more} more by `modelmonitor doctor {place}`" if more else ""
    return problems[0] + rest


def _kept(body: Body) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = body.get("spec") or {}
    return {
        "metadata": {"name": body["metadata"]["name"]},
        "spec": {field: spec[field] for field in _FIELDS if field in spec},
        "status": {
            field: amounts
            for field, amounts in (body.get("status") or {}).items()
            if field in {"hard", "used"}
        },
    }
