"""Judging the ticks that are due, each stored before it is judged."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.controller.gateways.errors import TemporaryError
from modelmonitor.controller.reconcile.announce import decision_changed, log_decision
from modelmonitor.controller.reconcile.baseline import Loaded
from modelmonitor.controller.reconcile.history import Subject, prepare
from modelmonitor.controller.reconcile.journal import Entry
from modelmonitor.controller.reconcile.judging import (
    Memory,
    TickFacts,
    afresh,
    due_ticks,
    judge,
    take_in,
)
from modelmonitor.controller.reconcile.objects import Key, Target
from modelmonitor.controller.reconcile.opening import save_state
from modelmonitor.controller.reconcile.pods import ready_by_revision
from modelmonitor.controller.reconcile.revision import RevisionChoice, choose
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.state import MonitorState
from modelmonitor.controller.runtime.spread import fraction
from modelmonitor.core.injection.pods import PodView
from modelmonitor.core.injection.refusals import CreateFailure

logger = logging.getLogger(__name__)

MAX_GRACE: Final = 15.0
"""Seconds after the end of a tick for its panes to arrive; half the interval where that is less."""
MAX_SPREAD: Final = 2.0
"""Seconds over which monitors of one interval are spread; a tenth of it where that is less."""
CATCH_UP: Final = 3600.0
"""Seconds of ticks that are judged after an outage; what is older only fills windows."""
CHECKPOINT_EVERY: Final = 60.0
"""Seconds between checkpoints."""


def grace(interval: float, uid: str) -> float:
    """Return how many seconds after its end a tick of this monitor is judged."""
    return min(interval / 2, MAX_GRACE) + min(interval / 10, MAX_SPREAD) * fraction(uid)


def next_due(state: MonitorState) -> float:
    """Return when the next tick is to be judged, seconds since the epoch."""
    memory = state.memory
    return memory.judged_until + memory.interval + grace(memory.interval, state.uid)


@dataclass(frozen=True, slots=True)
class Seen:
    """The target and its pods as they are now."""

    monitor: str
    uid: str
    """Of the monitor."""
    target: Target | None
    pods: Sequence[PodView] = ()
    failures: Sequence[CreateFailure] = ()
    """Why pods of the target cannot be created."""
    injectors: Sequence[str] = ()
    """Pods of the injector that are ready, where a trial is due."""

    @property
    def ready(self) -> list[PodView]:
        """The pods that serve."""
        return [pod for pod in self.pods if pod.ready and not pod.deleting]

    @property
    def collected(self) -> list[PodView]:
        """The pods that carry a collector of this monitor."""
        return [pod for pod in self.pods if pod.collects_for(self.monitor, self.uid)]

    def facts(self, memory: Memory, start: float, choice: RevisionChoice) -> TickFacts:
        """Return the facts of a tick whose panes have entered.

        A ready pod without a collector serves traffic that nobody sees, so that it is expected to
        answer, and does not, as soon as any pod of the target carries a collector. A collector that
        answers without a pane of this tick (it has just started, or belongs to another monitor)
        has measured nothing: its silence must not be taken for no traffic.
        """
        ready = self.ready
        delivered = {pane.podUID for pane in memory.early.get(start, [])}
        return TickFacts(
            start=start,
            interval=memory.interval,
            expected=len(ready) if self.collected else 0,
            answered=sum(pod.uid in delivered for pod in ready),
            replicas_wanted=None if self.target is None else self.target.replicas,
            choice=choice,
        )


async def judge_due(
    services: Services,
    key: Key,
    monitor: ModelMonitor,
    state: MonitorState,
    loaded: Loaded | None,
    seen: Seen,
) -> None:
    """Judge every tick that is due, by the panes that have arrived.

    Parameters
    ----------
    services, key, monitor, state
        Whose ticks; the state is changed.
    loaded
        The baseline in force.
    seen
        The target and its pods as they are now.
    """
    now = services.clock.now()
    memory = state.memory
    interval = parse_duration(monitor.spec.interval)
    if memory.interval != interval:
        memory = state.memory = afresh(memory, interval, now)
    starts = due_ticks(memory, now - grace(interval, state.uid), max(CATCH_UP, 2 * interval))
    choice = choose(memory.choice, ready_by_revision(seen.pods)) if starts else memory.choice
    for start in starts:
        await prepare(services.store, memory, Subject(state.uid, monitor.spec, loaded), start)
        panes = state.collection.inbox.next_tick()
        late = memory.late
        take_in(memory, panes, loaded)
        services.metrics.panes_late.inc(memory.late - late)
        facts = seen.facts(memory, start, choice)
        await state.journal.append(Entry(panes=panes, facts=facts), start)
        for step in judge(memory, monitor.spec, loaded, facts):
            if decision_changed(
                (step.verdict_before, step.record_before), (step.verdict, step.record)
            ):
                log_decision(key, step.metric, step.verdict, step.record)
        services.metrics.ticks.inc()
        state.dirty = True
        await asyncio.sleep(0)  # others may run between the ticks of a long outage
    await _keep_last_panes(state, loaded)
    await checkpoint_if_old(services, monitor, state)


async def _keep_last_panes(state: MonitorState, loaded: Loaded | None) -> None:
    """Store the last panes of pods that are gone at once: nobody else has them any more."""
    if any(pane.final for pane in state.collection.inbox.waiting):
        panes = state.collection.inbox.drain()
        await state.journal.append(Entry(panes=panes), max(pane.start for pane in panes))
        take_in(state.memory, panes, loaded)
        state.dirty = True


async def checkpoint_if_old(services: Services, monitor: ModelMonitor, state: MonitorState) -> None:
    """Store a checkpoint if the last one is old; a store that does not answer is waited for."""
    if not state.dirty or services.clock.now() - state.saved_at < CHECKPOINT_EVERY:
        return
    try:
        await save_state(services, state, monitor)
    except TemporaryError as error:
        logger.warning("no checkpoint: %s", error)
