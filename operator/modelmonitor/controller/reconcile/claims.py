"""Which monitor claims which target: a pod carries one collector, which obeys one monitor.

The oldest wins, then the name, whichever model each names; the injector picks by the same rule.
Held in memory, a few words per monitor, filled by the first list before any pass runs.
"""

from dataclasses import dataclass

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.core.injection.workloads import Workload, precedence, target_workload


@dataclass(frozen=True, slots=True)
class Claim:
    """What one monitor wants to watch."""

    workload: Workload
    created: str
    """creationTimestamp, RFC 3339 in UTC."""

    def rivals(self, other: "Claim") -> bool:
        """Return whether both want the same workload."""
        return self.workload == other.workload


def claim_of(monitor: ModelMonitor) -> Claim | None:
    """Return what a monitor claims; None if its target is of no kind that can be watched."""
    workload = target_workload(monitor.spec.target_ref)
    if workload is None:
        return None
    return Claim(workload=workload, created=monitor.metadata.creation_timestamp)


class Claims:
    """The claims of all monitors."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, dict[str, Claim]] = {}

    def put(self, key: Key, claim: Claim | None) -> tuple[Key, ...]:
        """Keep a monitor's claim; return the monitors whose right may have changed."""
        claims = self._by_namespace.setdefault(key.namespace, {})
        before = claims.get(key.name)
        if before == claim:
            return ()
        if claim is None:
            del claims[key.name]
        else:
            claims[key.name] = claim
        if not claims:
            del self._by_namespace[key.namespace]
        touched = [each for each in (before, claim) if each is not None]
        return tuple(
            Key(key.namespace, name)
            for name, other in claims.items()
            if name != key.name and any(other.rivals(each) for each in touched)
        )

    def winner(self, key: Key) -> str | None:
        """Return the name of the monitor that takes precedence over this one, None if none does."""
        claims = self._by_namespace.get(key.namespace, {})
        mine = claims.get(key.name)
        if mine is None:
            return None
        older = [
            (precedence(other.created, name), name)
            for name, other in claims.items()
            if name != key.name
            and other.rivals(mine)
            and precedence(other.created, name) < precedence(mine.created, key.name)
        ]
        return min(older)[1] if older else None

    def of_workload(self, namespace: str, workload: Workload) -> tuple[Key, ...]:
        """Return the monitors of a workload."""
        claims = self._by_namespace.get(namespace, {})
        return tuple(
            Key(namespace, name) for name, claim in claims.items() if claim.workload == workload
        )
