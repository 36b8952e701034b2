"""One pass over one monitor: read it, look at all it names, collect, judge, act, write the status.

A pass starts from what is observed, never from what an event said; it may be repeated at any time
and ends with the time at which it wants to be repeated.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.conditions import ReadyReason
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, parse_monitor
from modelmonitor.controller.gateways.api_server import MONITORS
from modelmonitor.controller.gateways.errors import (
    AccessDeniedError,
    ConflictError,
    TemporaryError,
)
from modelmonitor.controller.reconcile import restarting
from modelmonitor.controller.reconcile.baseline import configuration_for
from modelmonitor.controller.reconcile.claims import claim_of
from modelmonitor.controller.reconcile.history import baseline_in_force
from modelmonitor.controller.reconcile.journal import delete_journal
from modelmonitor.controller.reconcile.judging import afresh
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.controller.reconcile.opening import open_state, save_checkpoint
from modelmonitor.controller.reconcile.outcome import Outcome, write_outcome
from modelmonitor.controller.reconcile.plan import Plan, Problem
from modelmonitor.controller.reconcile.pods import collector_pods
from modelmonitor.controller.reconcile.reporting import availability, snapshot_of
from modelmonitor.controller.reconcile.seeing import evict_pods, judge_injection, see_pods
from modelmonitor.controller.reconcile.services import NotLeadingError, Services
from modelmonitor.controller.reconcile.state import MonitorState, States
from modelmonitor.controller.reconcile.ticking import Seen, judge_due, next_due
from modelmonitor.controller.reconcile.troubles import (
    write_blocked,
    write_invalid,
    write_retrying,
)
from modelmonitor.controller.runtime.spread import fraction
from modelmonitor.core.wire.configuration import CollectorConfiguration, configuration_digest

logger = logging.getLogger(__name__)

RECHECK_PROBLEM: Final = 15.0
"""Seconds after which a monitor with a problem is looked at again: what is missing may appear."""
RECHECK_RESTART: Final = 5.0
"""Seconds after which a restart that is under way is looked at again."""
RECHECK: Final = 60.0
"""Seconds after which any monitor is looked at again."""
RECHECK_UNCONFIGURED: Final = 2.0
"""Seconds after which a collector that took no configuration yet is asked again."""
PULL_EVERY: Final = 15.0
"""Seconds between pulls where no tick is due, so that a node that dies takes little with it."""
REACHABLE_FOR: Final = 30.0
"""Seconds, beside one interval, for which a collector that answered counts as reachable."""
SAVED_TOGETHER: Final = 16
"""Checkpoints that are written at the same time when the process ends."""


class Reconciler:
    """The passes over all monitors; never two at a time over the same one."""

    def __init__(self, services: Services, states: States, wake: Callable[[Key], None]) -> None:
        self._services = services
        self._states = states
        self._wake = wake

    async def reconcile(self, key: Key) -> float | None:
        """Make one pass; return when to make the next, None for a monitor that is gone.

        Raises
        ------
        ConflictError
            If the monitor was changed meanwhile: make the pass again.
        TemporaryError
            If something did not answer: make the pass again later.
        """
        body = await self._services.api.get(MONITORS, key.namespace, key.name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            await self.forget(key)
            return None
        try:
            monitor = parse_monitor(body)
        except InvalidMonitorError as error:
            self._claim(key, None)
            self._states.pop(key)
            await write_invalid(self._services, body, error)
            return self._recheck(key, RECHECK_PROBLEM)
        self._claim(key, monitor)
        self._services.turns.note(key, monitor)
        try:
            return await self._pass(key, monitor)
        except (ConflictError, NotLeadingError):
            raise
        except TemporaryError as error:
            await write_retrying(self._services, monitor, error)
            raise

    async def forget(self, key: Key) -> None:
        """Forget a monitor that is gone."""
        self._claim(key, None)
        self._services.turns.note(key, None)
        await self._forget_state(key)

    async def _forget_state(self, key: Key) -> None:
        state = self._states.pop(key)
        if state is None:
            return
        self._services.announcer.forget(state.uid)
        self._services.planner.forget(state.uid)
        try:
            await delete_journal(self._services.store, state.uid)
        except TemporaryError as error:
            logger.warning("the journal of %s stays until the next sweep: %s", key, error)

    async def save_all(self) -> None:
        """Store a checkpoint of every monitor that was judged since the last one."""
        dirty = deque(state for state in self._states.all() if state.dirty)

        async def save() -> None:
            while dirty:
                try:
                    await save_checkpoint(self._services, dirty.popleft())
                except TemporaryError as error:
                    logger.warning("no checkpoint: %s", error)

        await asyncio.gather(*(save() for _ in range(SAVED_TOGETHER)))

    def _claim(self, key: Key, monitor: ModelMonitor | None) -> None:
        claim = None if monitor is None else claim_of(monitor)
        for rival in self._services.claims.put(key, claim):
            self._wake(rival)

    async def _pass(self, key: Key, monitor: ModelMonitor) -> float:
        plan = await self._services.planner.plan(key, monitor)
        if not plan.complete:
            self._states.pop(key)
            await write_blocked(self._services, monitor, plan)
            return self._recheck(key, RECHECK_PROBLEM)
        state = await self._state(key, monitor, plan)
        baseline = baseline_in_force(plan.baseline, monitor.spec, state.memory)
        plan = replace(plan, baseline=baseline)
        plan, seen = await self._see(key, monitor, plan)
        wanted = await self._collect(key, monitor, state, plan, seen)
        if monitor.spec.suspend:
            now = self._services.clock.now()
            state.memory = afresh(state.memory, state.memory.interval, now)
            state.collection.inbox.next_tick()  # of a time that is not judged
        else:
            await judge_due(self._services, key, monitor, state, plan.loaded, seen)
        await self._conclude(key, monitor, state, plan, seen)
        return self._next(key, state, plan, wanted)

    async def _state(self, key: Key, monitor: ModelMonitor, plan: Plan) -> MonitorState:
        state = self._states.get(key, monitor.metadata.uid)
        if state is None:
            # What is held is of a deleted monitor of the same name, whose deletion nobody told.
            await self._forget_state(key)
            state = await open_state(self._services, monitor, plan.loaded)
            self._states.put(key, state)
        return state

    async def _see(self, key: Key, monitor: ModelMonitor, plan: Plan) -> tuple[Plan, Seen]:
        try:
            return plan, await see_pods(self._services, key, monitor, plan)
        except AccessDeniedError as error:
            problem = Problem(
                ReadyReason.ACCESS_DENIED,
                f"the operator may not list the target's pods: {error}; check its role",
            )
            seen = Seen(key.name, monitor.metadata.uid, None)
            return replace(plan, target=None, target_problem=problem), seen

    async def _collect(
        self, key: Key, monitor: ModelMonitor, state: MonitorState, plan: Plan, seen: Seen
    ) -> str:
        """Pull and configure where that is due; return the digest that collectors should have."""
        services = self._services
        now = services.clock.now()
        for session in state.collection.meet(collector_pods(seen.collected), now):
            services.spawn(
                services.puller.farewell(state.collection, session, lambda: self._wake(key))
            )
        wanted = _configuration(monitor, plan, services.hash_key(monitor.metadata.uid))
        digest = configuration_digest(wanted)
        old = state.pulled_at is None or now - state.pulled_at >= PULL_EVERY
        if old or now >= next_due(state) or state.collection.unconfigured(digest, now):
            await services.puller.round(state.collection, wanted)
            state.pulled_at = services.clock.now()
        return digest

    async def _conclude(
        self, key: Key, monitor: ModelMonitor, state: MonitorState, plan: Plan, seen: Seen
    ) -> None:
        """Write what the pass found, and act on it."""
        services = self._services
        since = services.clock.now() - state.memory.interval - REACHABLE_FOR
        reachable = state.collection.reachable(since)
        injection = judge_injection(services, key, monitor, state, plan, seen, reachable)
        restart = await restarting.decide(services, key, monitor, state, plan, injection)
        outcome = Outcome(
            plan=plan,
            injection=injection.with_restart(restart.words),
            restart=restart.status,
            availability=availability(
                seen, state.collection, reachable, services.settings.namespace
            ),
        )
        await write_outcome(services, monitor, state, outcome)
        await evict_pods(services, monitor, injection.breaker.evict)
        if restart.apply and restart.status is not None:
            await restarting.carry_out(services, key, plan, restart.status)
            self._wake(key)  # so that what was applied is seen before anybody takes it away
        state.next_check = injection.breaker.next_check
        state.snapshot = snapshot_of(
            key, monitor, state.memory, state.collection.inbox.totals, injection.counts
        )

    def _next(self, key: Key, state: MonitorState, plan: Plan, wanted: str) -> float:
        moments = [next_due(state), self._recheck(key, RECHECK)]
        if self._services.turns.has(key):
            moments.append(self._recheck(key, RECHECK_RESTART))
        if plan.problem is not None:
            moments.append(self._recheck(key, RECHECK_PROBLEM))
        if state.collection.unconfigured(wanted, self._services.clock.now()):
            moments.append(self._recheck(key, RECHECK_UNCONFIGURED))
        if state.next_check is not None:
            moments.append(state.next_check)
        return min(moments)

    def _recheck(self, key: Key, seconds: float) -> float:
        """Return a time after about so many seconds, spread over monitors."""
        return self._services.clock.now() + seconds * (0.9 + 0.1 * fraction(key))


def _configuration(monitor: ModelMonitor, plan: Plan, hash_key: str) -> CollectorConfiguration:
    interval = parse_duration(monitor.spec.interval)
    return configuration_for(monitor.spec, monitor.metadata.uid, interval, plan.loaded, hash_key)
