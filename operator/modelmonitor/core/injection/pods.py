"""What the operator needs to know of a pod, read once from its JSON.

The kubelet's words are turned into the two questions that matter here: is there a collector, and
does the pod wait for it?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.monitor import MONITOR_LABEL
from modelmonitor.core.injection.capture import Capture, CaptureObstacle, capture_obstacle
from modelmonitor.core.injection.workloads import Workload, revision_of, workload_of
from modelmonitor.core.times import parse_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME, ENV_MONITOR_UID

Json = Mapping[str, Any]

READY_AT_START: Final = 2.0
"""Seconds. A pod whose condition Ready was last set this soon after its start was never ready: it
is set to False in the kubelet's first look, in the same pass that sets the start time, and keeps
its time until it changes; both are rounded to seconds."""
_ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class CollectorView:
    """The collector of a pod."""

    image: str
    monitor_uid: str = ""
    """UID of the only monitor that it obeys; empty if it was injected before its monitor was known,
    and obeys whichever configures it."""
    started: bool = False
    """It runs and has passed its startup probe."""
    restarts: int = 0
    awaited_since: float | None = None
    """Since when the pod waits for this container and for nothing before it, seconds since the
    epoch; None if it does not."""
    reason: str = ""
    """Why it is awaited, in the kubelet's words: ImagePullBackOff, CrashLoopBackOff, …"""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod of a target."""

    name: str
    uid: str
    created: float
    """Seconds since the epoch."""
    workload: Workload | None
    revision: str = ""
    address: str = ""
    """IP address; empty while it has none."""
    deleting: bool = False
    ended: bool = False
    """It succeeded or failed; it serves nobody any more."""
    ready: bool = False
    was_ready: bool = False
    """It is ready, or was at some time."""
    monitor: str = ""
    """Name of the monitor whose collector it carries, by label; empty without one."""
    collector: CollectorView | None = None
    obstacle: CaptureObstacle | None = None
    """Why it can carry none."""

    @property
    def counts(self) -> bool:
        """Whether it is one of the pods that serve or are about to."""
        return not self.deleting and not self.ended

    def collects_for(self, monitor: str, uid: str) -> bool:
        """Return whether it carries a collector that this monitor can use.

        A monitor that was deleted and made again has the name of the one before, but another UID,
        and the collectors of before refuse it.
        """
        collector = self.collector
        return (
            collector is not None and self.monitor == monitor and collector.monitor_uid in {"", uid}
        )


def pod_view(pod: Json, capture: Capture) -> PodView:
    """Return what matters of a pod.

    Parameters
    ----------
    pod
        As the API server returns it.
    capture
        What the monitor wants observed, for the obstacle.
    """
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    ready, serves = _condition(status, "Ready"), is_ready(pod)
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        created=parse_time(metadata["creationTimestamp"]),
        workload=workload_of(metadata),
        revision=revision_of(metadata),
        address=status.get("podIP") or "",
        deleting=bool(metadata.get("deletionTimestamp")),
        ended=status.get("phase") in _ENDED,
        ready=serves,
        was_ready=serves or _was_ready(status, ready),
        monitor=(metadata.get("labels") or {}).get(MONITOR_LABEL, ""),
        collector=_collector(spec, status),
        obstacle=capture_obstacle(metadata, spec, capture),
    )


def is_ready(pod: Json) -> bool:
    """Return whether a pod, as the API server returns it, is ready."""
    return _condition(pod.get("status") or {}, "Ready").get("status") == "True"


def _was_ready(status: Json, ready: Json) -> bool:
    started, changed = _time(status.get("startTime")), _time(ready.get("lastTransitionTime"))
    return started is not None and changed is not None and changed - started > READY_AT_START


def _collector(spec: Json, status: Json) -> CollectorView | None:
    containers: Sequence[Json] = spec.get("initContainers") or []
    position = next(
        (at for at, one in enumerate(containers) if one.get("name") == CONTAINER_NAME), None
    )
    if position is None:
        return None
    image = str(containers[position].get("image", ""))
    monitor_uid = _environment(containers[position]).get(ENV_MONITOR_UID, "")
    statuses = {one["name"]: one for one in status.get("initContainerStatuses") or []}
    mine: Json | None = statuses.get(CONTAINER_NAME)
    if mine is None:
        return CollectorView(image, monitor_uid)
    state: Json = mine.get("state") or {}
    before = [statuses.get(one["name"], {}) for one in containers[:position]]
    waiting: Json = state.get("waiting") or {}
    ended = _last_end(mine)
    return CollectorView(
        image,
        monitor_uid,
        started="running" in state and bool(mine.get("started")),
        restarts=int(mine.get("restartCount", 0)),
        awaited_since=_awaited_since(status, mine, before, ended),
        reason=str(waiting.get("reason") or ended.get("reason") or ""),
        message=_last_line(waiting, ended),
    )


def _environment(container: Json) -> dict[str, str]:
    return {one["name"]: one.get("value") or "" for one in container.get("env") or []}


def _last_line(waiting: Json, ended: Json) -> str:
    """Return what best says why a container does not run: its own last line, if it has run."""
    words = str(ended.get("message") or waiting.get("message") or "").strip()
    return words.splitlines()[-1].strip() if words else ""


def _awaited_since(status: Json, mine: Json, before: Sequence[Json], ended: Json) -> float | None:
    state: Json = mine.get("state") or {}
    if "running" in state and mine.get("started"):
        return None
    if _condition(status, "Initialized").get("status") == "True":
        # It had started once, and the containers after it too.
        return _time(ended.get("finishedAt"))
    network = _condition(status, "PodReadyToStartContainers")
    if network and network.get("status") != "True":
        return None
    moments = [_done_at(one) for one in before]
    moments += [_time(status.get("startTime")), _time(network.get("lastTransitionTime"))]
    if None in moments[: len(before)]:
        return None
    return max((moment for moment in moments if moment is not None), default=None)


def _done_at(container: Json) -> float | None:
    """Return when an init container let the next one start; None if it has not."""
    state: Json = container.get("state") or {}
    if "running" in state and container.get("started"):
        return _time(state["running"].get("startedAt")) or 0.0
    if "terminated" in state and state["terminated"].get("exitCode") == 0:
        return _time(state["terminated"].get("finishedAt")) or 0.0
    return None


def _last_end(container: Json) -> Json:
    for place in ("state", "lastState"):
        ended: Json | None = (container.get(place) or {}).get("terminated")
        if ended:
            return ended
    return {}


def _condition(status: Json, kind: str) -> Json:
    conditions: Sequence[Json] = status.get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})


def _time(text: str | None) -> float | None:
    return parse_time(text) if text else None
