"""Keeping up with the collectors of one monitor: who they are, pulling, configuring, farewells.

Pulling is idempotent: a cursor names the last pane that was taken, and a pane that comes twice is
taken once. A pod that is going away is polled without a pause until its last pane is there.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from modelmonitor.controller.gateways.collectors import CollectorAddress, Collectors, Cursor
from modelmonitor.controller.gateways.errors import GatewayError, TemporaryError
from modelmonitor.controller.reconcile.inbox import Inbox
from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.controller.runtime.metrics import WorkMetrics
from modelmonitor.core.wire.configuration import CollectorConfiguration, configuration_digest
from modelmonitor.core.wire.pane import PanesReply

FAREWELL_WAIT: Final = 10.0
"""Seconds of one long poll on a pod that is going away."""
FAREWELL_PAUSE: Final = 0.5
"""Seconds before a farewell poll that failed is tried again."""

GIVE_UP_AFTER: Final = 60.0
"""Seconds without an answer after which a collector is no longer asked every two seconds."""


@dataclass(frozen=True, slots=True)
class CollectorPod:
    """A pod that carries a collector, as far as collecting needs it."""

    address: CollectorAddress
    leaving: bool
    """It has a deletionTimestamp."""


@dataclass(slots=True)
class Session:
    """What is known of one collector."""

    address: CollectorAddress
    met_at: float
    """When the pod was first seen, seconds since the epoch."""
    cursor: Cursor | None = None
    configured: str = ""
    """Digest of the configuration in force there, or about to be; empty: none, or not known."""
    answered_at: float | None = None
    """Seconds since the epoch."""
    problem: str = ""
    """What the last request led to; empty after a success."""
    skew: float = 0.0
    """Seconds by which the pod's clock is ahead."""
    lost: int = 0
    """Panes that its retention dropped unread."""
    leaving: bool = False
    finished: bool = False
    """Its last pane was taken."""
    gone: bool = False
    """The pod no longer exists."""

    def is_over(self) -> bool:
        """Return whether nothing more can come from this collector."""
        return self.finished or self.gone


@dataclass
class Collection:
    """The collectors of one monitor and the panes that came from them."""

    uid: str
    """Of the monitor."""
    inbox: Inbox = field(default_factory=Inbox)
    sessions: dict[str, Session] = field(default_factory=dict)
    """Pod UID → session."""

    def meet(self, pods: Iterable[CollectorPod], now: float) -> list[Session]:
        """Take note of the pods that exist now; return those whose farewell is to begin."""
        present = {pod.address.pod_uid: pod for pod in pods}
        for uid in [uid for uid in self.sessions if uid not in present]:
            self.sessions.pop(uid).gone = True
        farewells = []
        for uid, pod in present.items():
            if uid not in self.sessions:
                self.sessions[uid] = Session(pod.address, met_at=now, cursor=self.inbox.cursor(uid))
            session = self.sessions[uid]
            session.address = pod.address
            if pod.leaving and not session.leaving:
                session.leaving = True
                farewells.append(session)
        return farewells

    def reachable(self, since: float) -> int:
        """Return how many collectors have answered since a time (seconds since the epoch)."""
        return sum(
            session.answered_at is not None and session.answered_at >= since
            for session in self.sessions.values()
        )

    def unconfigured(self, digest: str, now: float) -> bool:
        """Return whether a collector that stays counts otherwise than it should.

        One that has not answered for long is left to the usual pulls.
        """
        return any(
            not session.leaving
            and session.configured != digest
            and now - (session.answered_at or session.met_at) < GIVE_UP_AFTER
            for session in self.sessions.values()
        )

    def end(self) -> None:
        """Let every farewell end: the monitor is gone."""
        for session in self.sessions.values():
            session.gone = True
        self.sessions.clear()

    def problems(self) -> list[str]:
        """Return what the last requests that failed led to."""
        return [session.problem for session in self.sessions.values() if session.problem]


class Puller:
    """Pulls from and configures the collectors of all monitors."""

    def __init__(self, collectors: Collectors, clock: Clock, metrics: WorkMetrics) -> None:
        self._collectors = collectors
        self._clock = clock
        self._metrics = metrics

    async def round(self, collection: Collection, wanted: CollectorConfiguration) -> None:
        """Pull what every collector has closed, and configure those that count otherwise."""
        digest = configuration_digest(wanted)
        staying = [one for one in collection.sessions.values() if not one.leaving]
        await asyncio.gather(
            *(self._visit(collection, session, wanted, digest) for session in staying)
        )

    async def farewell(
        self, collection: Collection, session: Session, arrived: Callable[[], None]
    ) -> None:
        """Poll a pod that is going away until its last pane is there or the pod is gone.

        Parameters
        ----------
        collection
            Where the panes go.
        session
            The pod's session.
        arrived
            Called after panes were taken.
        """
        while not session.is_over():
            before = len(collection.inbox.waiting)
            await self._pull(collection, session, FAREWELL_WAIT)
            if len(collection.inbox.waiting) > before:
                arrived()
            if session.finished:
                # The collector exits once it knows that its last pane has arrived.
                await self._pull(collection, session, 0.0)
            elif session.problem:
                await self._clock.sleep(FAREWELL_PAUSE)

    async def _visit(
        self,
        collection: Collection,
        session: Session,
        wanted: CollectorConfiguration,
        digest: str,
    ) -> None:
        if not await self._pull(collection, session, 0.0) or session.configured == digest:
            return
        try:
            await self._collectors.configure(session.address, wanted)
            session.configured = digest
        except GatewayError as error:
            self._failed(session, error)

    async def _pull(self, collection: Collection, session: Session, wait: float) -> bool:
        self._metrics.pulls.inc()
        try:
            reply = await self._collectors.pull(session.address, session.cursor, wait)
        except GatewayError as error:
            self._failed(session, error)
            return False
        self._answered(collection, session, reply)
        return True

    def _answered(self, collection: Collection, session: Session, reply: PanesReply) -> None:
        now = self._clock.now()
        rejected = collection.inbox.rejected
        taken = collection.inbox.take(
            reply.panes, monitor=collection.uid, pod=session.address.pod_uid, now=now
        )
        self._metrics.panes.inc(taken)
        self._metrics.panes_rejected.inc(collection.inbox.rejected - rejected)
        if reply.lost > session.lost:
            self._metrics.panes_lost.inc(reply.lost - session.lost)
        session.lost = reply.lost
        session.answered_at = now
        session.problem = ""
        session.skew = reply.now - now
        session.configured = reply.pendingDigest or reply.configDigest
        if reply.panes:
            last = reply.panes[-1]
            session.cursor = Cursor(last.bootID, last.seq)
            session.finished = session.leaving and last.final

    def _failed(self, session: Session, error: GatewayError) -> None:
        session.problem = str(error)
        reason = "unreachable" if isinstance(error, TemporaryError) else "refused"
        self._metrics.pull_errors.labels(reason).inc()
