"""Kopf as a source of wake-ups, on a real API server: what wakes whom, and what wakes nobody."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from modelmonitor.api.v1alpha1.monitor import GROUP, MONITOR_LABEL
from modelmonitor.controller.handlers.watching import EndlessBackOff, WatchThread, watching_settings
from modelmonitor.core.acting.retraining_job import RETRAINS_LABEL
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.controller.room import Body, model_container
from tests.controller.world import spec
from tests.support.waiting import wait_until

NAMESPACE = "watched"


@dataclass
class Recorded:
    """Wake-ups as they came."""

    calls: list[tuple[str, ...]] = field(default_factory=list)
    fingerprints: set[tuple[str, ...]] = field(default_factory=set)

    def monitor(self, namespace: str, name: str, fingerprint: tuple[str, ...]) -> None:
        self.calls.append(("monitor", namespace, name))
        self.fingerprints.add(fingerprint)

    def pod(self, namespace: str, monitor: str) -> None:
        self.calls.append(("pod", namespace, monitor))

    def job(self, namespace: str, monitor: str) -> None:
        self.calls.append(("job", namespace, monitor))

    def workload(self, namespace: str, kind: str, name: str) -> None:
        self.calls.append(("workload", namespace, kind, name))


@pytest.fixture
def recorded(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Watch one namespace until the test ends."""
    monkeypatch.setenv("KUBECONFIG", str(kubectl.kubeconfig))
    kubectl("create", "namespace", NAMESPACE)
    recorded, ended = Recorded(), list[bool]()
    thread = WatchThread(recorded, [NAMESPACE], lambda: ended.append(True))
    thread.start()
    yield recorded
    thread.stop()
    assert ended == []


def workload(kind: str, name: str, labels: dict[str, str]) -> Body:
    return {
        "apiVersion": "v1" if kind == "Pod" else "batch/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"containers": [model_container()]}
        if kind == "Pod"
        else {"template": {"spec": {"restartPolicy": "Never", "containers": [model_container()]}}},
    }


@pytest.mark.api
@pytest.mark.timeout(120)
def test_what_concerns_a_monitor_wakes_it_and_nothing_else_does(
    kubectl: Kubectl, recorded: Recorded
) -> None:
    kubectl.apply(
        workload("Pod", "plain", {}),
        workload("Job", "plain", {}),
        workload("Pod", "collected", {MONITOR_LABEL: "m"}),
        workload("Job", "retraining", {RETRAINS_LABEL: "m"}),
        {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": "ModelMonitor",
            "metadata": {"name": "m", "namespace": NAMESPACE},
            "spec": spec(),
        },
    )
    kubectl("create", "deployment", "web", "--image=model:1", "-n", NAMESPACE)
    expected = {
        ("pod", NAMESPACE, "m"),
        ("job", NAMESPACE, "m"),
        ("monitor", NAMESPACE, "m"),
        ("workload", NAMESPACE, "Deployment", "web"),
    }
    wait_until("wake-ups", lambda: expected <= set(recorded.calls), 30)
    assert set(recorded.calls) == expected
    before = len(recorded.calls)
    status = json.dumps({"status": {"observedGeneration": 1}})
    where = ("-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", status)
    kubectl("patch", "mm", "m", *where)
    wait_until("the echo", lambda: len(recorded.calls) > before, 30)
    assert len(recorded.fingerprints) == 1
    kubectl("annotate", "mm", "m", "-n", NAMESPACE, "note=changed")
    wait_until("the change", lambda: len(recorded.fingerprints) > 1, 30)


def test_an_outage_never_exhausts_the_delays() -> None:
    back_off = EndlessBackOff()
    delays = [delay for _, delay in zip(range(1000), back_off, strict=False)]
    assert len(delays) == 1000
    assert 0.5 <= delays[0] <= 1.0
    assert all(30.0 <= delay <= 60.0 for delay in delays[10:])
    assert next(iter(back_off)) <= 1.0


def test_kopf_writes_nothing_and_leads_nobody() -> None:
    settings = watching_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert settings.watching.chunk_size == 500
