"""What the use cases work with: gateways, clock, and whether effects are allowed."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from modelmonitor.controller.gateways.api_server import ApiServer
from modelmonitor.controller.gateways.errors import TemporaryError
from modelmonitor.controller.gateways.store import ObjectStore
from modelmonitor.controller.reconcile.announce import Announcer
from modelmonitor.controller.reconcile.claims import Claims
from modelmonitor.controller.reconcile.collection import Puller
from modelmonitor.controller.reconcile.plan import Planner
from modelmonitor.controller.reconcile.turns import Turns
from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.controller.runtime.metrics import WorkMetrics
from modelmonitor.core.settings import Settings


class NotLeadingError(TemporaryError):
    """The lease was not renewed lately: another controller may be at work."""


class Fence(Protocol):
    """Whether this process surely still leads."""

    @property
    def term(self) -> int:
        """Grows with every change of leader."""
        ...

    def recently_renewed(self) -> bool:
        """Return whether effects are allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that is shared by all monitors."""

    api: ApiServer
    store: ObjectStore
    puller: Puller
    planner: Planner
    claims: Claims
    turns: Turns
    announcer: Announcer
    clock: Clock
    fence: Fence
    metrics: WorkMetrics
    settings: Settings
    hash_key: Callable[[str], str]
    """UID of a monitor → key of the hashes that stand for values which are not to be told."""
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    """Runs something beside the passes until it ends by itself."""

    def check_fence(self) -> None:
        """Allow an effect, or raise.

        Raises
        ------
        NotLeadingError
            If the lease was not renewed lately.
        """
        if not self.fence.recently_renewed():
            raise NotLeadingError("the lease was not renewed lately; nothing is done any more")
