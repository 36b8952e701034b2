"""A small world for the controller: a cluster, a store, collectors with traffic, and restarts."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from modelmonitor.api.v1alpha1.monitor import GROUP, INJECTION_LABEL, MONITOR_LABEL
from modelmonitor.api.v1alpha1.parsing import parse_monitor
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.controller.application import Application, Gateways
from modelmonitor.controller.gateways.api_server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    MONITORS,
    NAMESPACES,
    PODS,
)
from modelmonitor.controller.gateways.keys import hash_key
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.controller.runtime.metrics import WorkMetrics
from modelmonitor.core.baseline.profile import PROFILE_KEY, Profile, canonical
from modelmonitor.core.settings import Settings
from modelmonitor.core.times import format_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME
from modelmonitor.core.wire.pane import ColumnCounts, LatencyCounts, Pane, RequestCounts
from tests.controller.memory import (
    Cluster,
    FakeCollector,
    Killer,
    MemoryApiServer,
    MemoryCollectors,
    MemoryStore,
)
from tests.controller.virtual import BEGIN, VirtualClock
from tests.support.kstatus import Result, compute_status

NAMESPACE = "models"
IMAGE = "collector:1"
SETTINGS = Settings(namespace="modelmonitor-system", pod_name="c-0", collector_image=IMAGE)
INTERVAL = 60.0


@dataclass(frozen=True)
class Traffic:
    """What one pod serves in one interval."""

    requests: int = 600
    errors: int = 0
    columns: Mapping[str, ColumnCounts] = field(default_factory=dict)
    copied: int = 1000
    """Of a thousand bytes that are forwarded."""
    protocols: Mapping[str, int] = field(default_factory=dict)


class Leading:
    """A fence of a leader; the test may take the lease away."""

    def __init__(self, term: int) -> None:
        self.term = term
        self.held = True

    def recently_renewed(self) -> bool:
        return self.held


@dataclass
class Process:
    """One controller process."""

    application: Application
    api: MemoryApiServer
    store: MemoryStore
    killer: Killer
    fence: Leading
    task: "asyncio.Task[None]"

    async def kill(self) -> None:
        """End the process as `kill -9` does: nothing of it is asked or told any more."""
        self.killer.dead.set()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def stop(self) -> None:
        """End the process as SIGTERM does."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.application.stop()


class World:
    """Everything that outlives a controller process."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self.clock = VirtualClock()
        self.interval = interval
        """Seconds of a pane."""
        self.cluster = Cluster()
        self.objects: dict[str, bytes] = {}
        self.collectors: dict[str, FakeCollector] = {}
        self.traffic: Callable[[str, float], Traffic] = lambda _pod, _start: Traffic()
        """Pod name and start of an interval → what it serves then."""
        self.term = 0
        self.cluster.put(
            NAMESPACES, {"metadata": {"name": NAMESPACE, "labels": {INJECTION_LABEL: "enabled"}}}
        )

    def start(self, killer: Killer | None = None, settings: Settings = SETTINGS) -> Process:
        """Start a controller that leads at once."""
        self.term += 1
        killer = killer or Killer()
        fence = Leading(self.term)
        api, store = MemoryApiServer(self.cluster, killer), MemoryStore(self.objects, killer)
        application = Application(
            Gateways(
                api, store, MemoryCollectors(self.collectors, killer), partial(hash_key, bytes(32))
            ),
            clock=self.clock,
            fence=fence,
            metrics=WorkMetrics(CollectorRegistry()),
            settings=settings,
        )
        task = asyncio.ensure_future(application.run(lambda: None))
        return Process(application, api, store, killer, fence, task)

    def deploy(self, name: str = "web", replicas: int = 1, port: str = "http") -> None:
        """Create a Deployment; its pods come with `pod`."""
        self.cluster.put(
            DEPLOYMENTS,
            {
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {
                            "containers": [
                                {"name": "model", "ports": [{"name": port, "containerPort": 8080}]}
                            ]
                        },
                    },
                },
            },
        )

    def pod(self, name: str, *, revision: str = "r1", monitor: str = "m", app: str = "web") -> str:
        """Create a ready pod of a Deployment, with a collector unless `monitor` is empty."""
        labels = {"app": app, "pod-template-hash": revision}
        collector: dict[str, Any] = {}
        status: dict[str, Any] = {}
        if monitor:
            labels[MONITOR_LABEL] = monitor
            collector = {"initContainers": [{"name": CONTAINER_NAME, "image": IMAGE}]}
            running = {"running": {"startedAt": format_time(BEGIN)}}
            status = {
                "initContainerStatuses": [
                    {"name": CONTAINER_NAME, "started": True, "state": running}
                ]
            }
        body = self.cluster.put(
            PODS,
            {
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": labels,
                    "ownerReferences": [
                        {
                            "apiVersion": "apps/v1",
                            "kind": "ReplicaSet",
                            "name": f"{app}-{revision}",
                            "controller": True,
                        }
                    ],
                },
                "spec": {
                    "containers": [
                        {"name": "model", "ports": [{"name": "http", "containerPort": 8080}]}
                    ],
                    **collector,
                },
                "status": {
                    "phase": "Running",
                    "podIP": "198.18.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}],
                    **status,
                },
            },
        )
        uid = str(body["metadata"]["uid"])
        if monitor:
            self.collectors[uid] = FakeCollector(uid, boot_id=f"boot-{name}")
        return uid

    def monitor(self, spec: Mapping[str, Any], name: str = "m") -> None:
        """Create or change a monitor."""
        present = self.cluster.objects.get((MONITORS, NAMESPACE, name))
        metadata = {} if present is None else present["metadata"]
        self.cluster.put(
            MONITORS,
            {
                "apiVersion": f"{GROUP}/v1alpha1",
                "kind": "ModelMonitor",
                "metadata": {**metadata, "name": name, "namespace": NAMESPACE},
                "spec": dict(spec),
            },
        )

    def baseline(self, profile: Profile, name: str = "baseline") -> None:
        """Write a baseline profile."""
        self.cluster.put(
            CONFIG_MAPS,
            {
                "metadata": {"name": name, "namespace": NAMESPACE},
                "data": {PROFILE_KEY: canonical(profile).decode()},
            },
        )

    def status(self, name: str = "m") -> dict[str, Any]:
        """Return the status of a monitor, of which all so far kept the conventions."""
        assert not self.cluster.breaks
        status: dict[str, Any] = self.cluster.objects[MONITORS, NAMESPACE, name]["status"]
        return status

    def condition(self, kind: str, name: str = "m") -> tuple[str, str]:
        """Return status and reason of a condition."""
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == kind:
                return condition["status"], condition["reason"]
        return "", ""

    def kstatus(self, name: str = "m") -> Result:
        """Return what deployment tools make of a monitor."""
        return compute_status(self.cluster.objects[MONITORS, NAMESPACE, name])

    def jobs(self) -> list[dict[str, Any]]:
        """Return the Jobs that exist."""
        return self.cluster.all(JOBS)

    def jobs_created(self) -> list[str]:
        """Return the names of all Jobs that were ever created."""
        return [name for kind, name in self.cluster.created if kind == "Job"]

    def events(self) -> list[str]:
        """Return the reasons of the events, oldest first."""
        return [str(body["reason"]) for body in self.cluster.all(EVENTS)]

    async def serve(self, intervals: int) -> None:
        """Let pods serve for so many intervals, and the controller judge the last of them."""
        for _ in range(intervals):
            start = self.clock.now() // self.interval * self.interval
            await asyncio.sleep(start + self.interval - self.clock.now())
            for body in self.cluster.all(PODS):
                collector = self.collectors.get(body["metadata"]["uid"])
                if collector is not None and collector.configuration is not None:
                    served = self.traffic(body["metadata"]["name"], start)
                    self.close(collector, start, served, body["metadata"]["labels"])
        await asyncio.sleep(20.0)

    def forget_panes(self) -> None:
        """Let every collector begin anew, as if its process had been replaced."""
        for uid, old in self.collectors.items():
            self.collectors[uid] = FakeCollector(
                uid, f"{old.boot_id}+", configuration=old.configuration
            )

    def close(
        self,
        collector: FakeCollector,
        start: float,
        served: Traffic,
        labels: Mapping[str, str],
        *,
        final: bool = False,
    ) -> None:
        """Close a pane of a collector."""
        configuration = collector.configuration
        if configuration is None:
            return
        ok = served.requests - served.errors
        collector.close(
            Pane(
                monitorUID=configuration.monitorUID,
                podUID=collector.pod_uid,
                bootID=collector.boot_id,
                seq=collector.next_seq,
                start=start,
                end=start + self.interval,
                interval=self.interval,
                final=final,
                baselineDigest=configuration.baselineDigest,
                revision=labels["pod-template-hash"],
                forwardedBytes=1000,
                copiedBytes=served.copied,
                droppedBytes=1000 - served.copied,
                requests=RequestCounts(
                    seen=served.requests,
                    decoded=served.requests if configuration.columns else 0,
                    sampled=served.requests if configuration.columns else 0,
                    codes={"200": ok, "500": served.errors},
                    protocols=dict(served.protocols),
                ),
                latency={"Response": LatencyCounts(buckets={-100: ok}, count=ok, total=0.1 * ok)},
                columns=dict(served.columns),
            )
        )

    async def until_gone(self, process: Process, seconds: float = 5.0) -> None:
        """Wait until a controller holds nothing of any monitor."""
        deadline = self.clock.now() + seconds
        while process.application.states.keys():
            assert self.clock.now() < deadline
            await asyncio.sleep(0.1)

    async def until(self, holds: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until something holds, on virtual time."""
        deadline = self.clock.now() + seconds
        while not holds():
            if self.clock.now() > deadline:
                raise AssertionError(f"after {seconds} s: {self.status()}")
            await asyncio.sleep(0.1)


def key(name: str = "m") -> Key:
    return Key(NAMESPACE, name)


ERRORS = {
    "name": "errors",
    "type": "ErrorRatio",
    "threshold": {"operator": "GreaterThan", "critical": "0.05", "minSamples": 100},
}
TRAFFIC = {
    "name": "traffic",
    "type": "RequestRate",
    "threshold": {"operator": "LessThan", "critical": "1"},
}
RETRAINING = {
    "when": {"metrics": ["errors"]},
    "cooldown": "1h",
    "job": {
        "template": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "train", "image": "train:1"}],
                    }
                }
            }
        }
    },
}


def spec(**changes: Any) -> dict[str, Any]:
    """Return a monitor's spec: errors and traffic of Deployment web, judged each minute."""
    return {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "collection": {"ports": [{"name": "http"}]},
        "interval": "60s",
        "metrics": [ERRORS, TRAFFIC],
        **changes,
    }


def monitor_spec(fields: Mapping[str, Any]) -> ModelMonitorSpec:
    """Return a spec as the controller reads it."""
    return parse_monitor({"metadata": {"name": "m", "namespace": NAMESPACE}, "spec": fields}).spec
