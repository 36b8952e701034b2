"""Leader election by a Lease: at most one controller acts, and one that may have lost it stops.

Everything is measured on the own monotonic clock: the holder's time stamps are compared with what
they were before, never with a clock. A new holder raises `leaseTransitions`; this number, the
*term*, goes into the names of stored objects, so that a leader of the past cannot harm.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from modelmonitor.controller.gateways.api_server import LEASES, ApiServer, Body
from modelmonitor.controller.gateways.errors import (
    AlreadyExistsError,
    ConflictError,
    GatewayError,
)
from modelmonitor.controller.runtime.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """The times of an election in seconds.

    renew < deadline < duration, so that a leader that cannot renew stops before another starts.
    """

    duration: float = 15.0
    """How long a holder that is silent is waited for."""
    deadline: float = 10.0
    """How long after the last renewal effects are still allowed."""
    renew: float = 2.0
    """Time between renewals, and between attempts to acquire."""


DEFAULT_TIMING: Final = LeaseTiming()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A foreign hold on the lease and when it was first seen in this form."""

    holder: str
    renewed: str
    transitions: int
    at: float


class Elector:
    """One candidate for one Lease."""

    def __init__(
        self,
        api: ApiServer,
        clock: Clock,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: LeaseTiming = DEFAULT_TIMING,
    ) -> None:
        self._api = api
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing
        self._seen: _Seen | None = None
        self._renewed_at: float | None = None
        self._held: Body | None = None
        self.term = 0
        """Lease transitions when the lease was acquired; larger than every earlier leader's."""

    @property
    def age(self) -> float | None:
        """Seconds since the last renewal, None without the lease."""
        if self._renewed_at is None:
            return None
        return self._clock.monotonic() - self._renewed_at

    def recently_renewed(self) -> bool:
        """Return whether effects are allowed: the lease is surely still held."""
        age = self.age
        return age is not None and age < self._timing.deadline

    async def acquire(self) -> None:
        """Return once the lease is held."""
        while not await self._attempt():
            await self._clock.sleep(self._timing.renew)

    async def keep(self) -> None:
        """Renew the lease; return only when it is lost."""
        while self.recently_renewed():
            await self._clock.sleep(self._timing.renew)
            started = self._clock.monotonic()
            try:
                if not await self._renew(started):
                    break
            except GatewayError as error:
                # Until the deadline it may pass.
                logger.warning("the lease %s cannot be renewed: %s", self._name, error)
        self._renewed_at = None

    async def release(self) -> None:
        """Give the lease back, so that a successor need not wait."""
        if not self.recently_renewed() or self._held is None:
            return
        body = self._body(self._held, "", self.term)
        self._renewed_at = None
        try:
            await self._api.replace(LEASES, self._namespace, body)
        except GatewayError:
            return  # it runs out by itself

    async def _attempt(self) -> bool:
        started = self._clock.monotonic()
        try:
            lease = await self._api.get(LEASES, self._namespace, self._name)
            if lease is None:
                body = self._body(None, self._identity, 1)
                return self._won(await self._api.create(LEASES, self._namespace, body), started)
            if not self._free(lease, started):
                return False
            transitions = int(lease.get("spec", {}).get("leaseTransitions") or 0) + 1
            body = self._body(lease, self._identity, transitions)
            return self._won(await self._api.replace(LEASES, self._namespace, body), started)
        except (ConflictError, AlreadyExistsError):
            return False  # another candidate was quicker
        except GatewayError as error:
            logger.warning("the lease %s cannot be acquired: %s", self._name, error)
            return False

    def _free(self, lease: Body, now: float) -> bool:
        spec = lease.get("spec", {})
        holder = str(spec.get("holderIdentity") or "")
        if holder in {"", self._identity}:
            return True  # our name: our container was restarted, the process of before is dead
        renewed = str(spec.get("renewTime") or "")
        transitions = int(spec.get("leaseTransitions") or 0)
        seen = self._seen
        if seen is None or (seen.holder, seen.renewed, seen.transitions) != (
            holder,
            renewed,
            transitions,
        ):
            self._seen = _Seen(holder, renewed, transitions, now)
            return False
        duration = float(spec.get("leaseDurationSeconds") or self._timing.duration)
        return now - seen.at > duration

    def _won(self, lease: Body, started: float) -> bool:
        self._held = lease
        self._renewed_at = started
        self.term = int(lease["spec"].get("leaseTransitions") or 0)
        return True

    async def _renew(self, started: float) -> bool:
        """Write a new renewal time; False if somebody else holds the lease."""
        if self._held is None:
            return False
        try:
            body = self._body(self._held, self._identity, self.term)
            self._held = await self._api.replace(LEASES, self._namespace, body)
        except ConflictError:
            lease = await self._api.get(LEASES, self._namespace, self._name)
            spec = {} if lease is None else lease.get("spec", {})
            if lease is None or (
                spec.get("holderIdentity") != self._identity
                or int(spec.get("leaseTransitions") or 0) != self.term
            ):
                return False
            self._held = lease  # only metadata was touched: renew with the new version next time
            return True
        self._renewed_at = started
        return True

    def _body(self, lease: Body | None, holder: str, transitions: int) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = {} if lease is None else lease.get("spec", {})
        fresh = transitions != before.get("leaseTransitions")
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if lease is not None:
            metadata = dict(lease["metadata"])
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(self._timing.duration),
                "acquireTime": now if fresh else before.get("acquireTime", now),
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
