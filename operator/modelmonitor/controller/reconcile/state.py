"""What the controller holds of each monitor between passes; never its spec.

Ten thousand parsed specs would cost 270 MB; a spec is read again in each pass.
"""

from dataclasses import dataclass, field

from modelmonitor.controller.gateways.store import ObjectStore
from modelmonitor.controller.reconcile.collection import Collection
from modelmonitor.controller.reconcile.journal import Checkpoint, Entry, Journal
from modelmonitor.controller.reconcile.judging import Judged, Memory, TickFacts
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.controller.runtime.metrics import MonitorSnapshot
from modelmonitor.core.injection.crashes import RestartLog

MonitorJournal = Journal[TickFacts, Judged]


def open_journal(store: ObjectStore, uid: str, term: int) -> MonitorJournal:
    """Return the journal of one monitor."""
    return Journal(store, uid, term, Entry[TickFacts], Checkpoint[Judged])


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How the last self-test of injection went."""

    at: float
    """Seconds since the epoch."""
    problem: str
    """What keeps new pods from a collector; empty: nothing does."""


@dataclass
class MonitorState:
    """One monitor between two passes."""

    uid: str
    collection: Collection
    journal: MonitorJournal
    memory: Memory
    saved_at: float
    """When the last checkpoint was written, seconds since the epoch."""
    restarts: RestartLog = field(default_factory=RestartLog)
    written_at: float | None = None
    """When this process last wrote the status."""
    pulled_at: float | None = None
    next_check: float | None = None
    """When the circuit breaker wants to decide again."""
    reach: float = 0.0
    """Seconds for which entries of the journal are needed."""
    self_test: SelfTest | None = None
    """Only where a restart waits for it."""
    dirty: bool = False
    """Something was judged since the last checkpoint."""
    snapshot: MonitorSnapshot | None = None


class States:
    """The states of all monitors."""

    def __init__(self) -> None:
        self._states: dict[Key, MonitorState] = {}

    def get(self, key: Key, uid: str) -> MonitorState | None:
        """Return the state of a monitor, None for one that was made anew under the same name."""
        state = self._states.get(key)
        return state if state is not None and state.uid == uid else None

    def put(self, key: Key, state: MonitorState) -> None:
        """Keep a state."""
        self._states[key] = state

    def pop(self, key: Key) -> MonitorState | None:
        """Forget a monitor and return what was held of it; its farewells end."""
        state = self._states.pop(key, None)
        if state is not None:
            state.collection.end()
        return state

    def keys(self) -> list[Key]:
        """Return the monitors that something is held of."""
        return list(self._states)

    def all(self) -> list[MonitorState]:
        """Return the states."""
        return list(self._states.values())

    def snapshots(self) -> list[MonitorSnapshot]:
        """Return the last states of monitors for the metrics."""
        return [state.snapshot for state in self._states.values() if state.snapshot is not None]
