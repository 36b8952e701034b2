"""Opening a monitor's state: from its journal after a restart, afresh without one."""

from typing import Final

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.controller.gateways.store import ObjectStore
from modelmonitor.controller.reconcile.baseline import Loaded
from modelmonitor.controller.reconcile.collection import Collection
from modelmonitor.controller.reconcile.history import (
    Subject,
    prepare,
    put_away,
    restore,
)
from modelmonitor.controller.reconcile.journal import Replay
from modelmonitor.controller.reconcile.judging import (
    Judged,
    Memory,
    TickFacts,
    afresh,
    fresh,
    judge,
    restored,
    take_in,
)
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.state import MonitorState, open_journal
from modelmonitor.core.judging.evaluation import lookback

SLACK: Final = 60.0
"""Seconds that entries are kept beyond what windows need."""


async def open_state(
    services: Services, monitor: ModelMonitor, loaded: Loaded | None
) -> MonitorState:
    """Return the state that judging had reached, whoever led then.

    Raises
    ------
    TemporaryError
        If the store does not answer; a guess instead would be a wrong verdict.
    """
    now = services.clock.now()
    uid, spec = monitor.metadata.uid, monitor.spec
    interval = parse_duration(spec.interval)
    journal = open_journal(services.store, uid, services.fence.term)
    reach = entries_reach(monitor)
    replay = await journal.open(now - reach)
    collection = Collection(uid)
    if replay.content is not None:
        collection.inbox.applied = dict(replay.content.applied)
    memory = await _replayed(services.store, Subject(uid, spec, loaded), replay, collection)
    if memory is None:
        memory = fresh(interval, now)
    elif memory.interval != interval:
        memory = afresh(memory, interval, now)
    state = MonitorState(
        uid=uid, collection=collection, journal=journal, memory=memory, saved_at=now
    )
    await save_state(services, state, monitor)
    return state


async def _replayed(
    store: ObjectStore, subject: Subject, replay: Replay[TickFacts, Judged], collection: Collection
) -> Memory | None:
    """Return the memory after judging again what came after the checkpoint; None without one."""
    if replay.content is None:
        return None
    memory = restored(replay.content, replay.filling)
    await restore(store, subject, memory, replay.content.made)
    for entry in replay.judging:
        facts = entry.facts
        due = facts if facts is not None and _is_due(facts, memory) else None
        if due is not None:
            await prepare(store, memory, subject, due.start)
        take_in(memory, collection.inbox.repeat(entry.panes), subject.loaded)
        if due is not None:
            judge(memory, subject.spec, subject.loaded, due)
    return memory


def _is_due(facts: TickFacts, memory: Memory) -> bool:
    return facts.interval == memory.interval and facts.start >= memory.judged_until


async def save_state(services: Services, state: MonitorState, monitor: ModelMonitor) -> None:
    """Store a checkpoint.

    Raises
    ------
    TemporaryError
        If the store does not answer.
    """
    state.reach = entries_reach(monitor)
    await save_checkpoint(services, state)


async def save_checkpoint(services: Services, state: MonitorState) -> None:
    """Store a checkpoint of a state whose monitor is not at hand.

    Raises
    ------
    TemporaryError
        If the store does not answer.
    """
    now = services.clock.now()
    state.collection.inbox.forget_old(now)
    await put_away(services.store, services.fence.term, state)
    content = state.memory.to_checkpoint(state.collection.inbox.settled())
    await state.journal.save(content, now - state.reach)
    state.saved_at = now
    state.dirty = False


def entries_reach(monitor: ModelMonitor) -> float:
    """Return for how many seconds the entries of a monitor are needed."""
    interval = parse_duration(monitor.spec.interval)
    return max(lookback(monitor.spec), interval) + 2 * interval + SLACK
