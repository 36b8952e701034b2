"""`modelmonitor doctor`: what people read, and what a script may rely on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from modelmonitor.api.v1alpha1.status import BreakerState
from modelmonitor.cli.app import run
from modelmonitor.cli.doctor import parse_target, show
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.examination import Examination, examine
from modelmonitor.core.injection.preflight import Level
from modelmonitor.core.injection.workloads import Workload
from tests.cli.memory import MemoryCluster, Screen

WORKLOADS = Path(__file__).parent / "workloads"
HEALTHY = ("troubled", "healthy")
FLIGHT_DELAY = Workload("Deployment", "flight-delay")


def cluster(name: str) -> MemoryCluster:
    documents = list(yaml.safe_load_all((WORKLOADS / f"{name}.yaml").read_text()))
    return MemoryCluster(
        bodies=[body for body in documents if body["kind"] == "ModelMonitor"],
        others=[body for body in documents if body["kind"] != "ModelMonitor"],
    )


def pod(name: str, image: str = "", *, monitor_uid: str = "b5c1", ready: bool = True) -> Any:
    """Return a pod of the Deployment, with a collector of this image if one is given."""
    environment = [{"name": "MM_MONITOR_UID", "value": monitor_uid}]
    collector = {"name": "mm-collector", "image": image, "env": environment}
    running = {"name": "mm-collector", "started": True, "state": {"running": {}}}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "flight-delay-7d9"}
    labels = {"app": "flight-delay", "pod-template-hash": "7d9"}
    if image:
        labels["modelmonitor.dev/monitor"] = "flight-delay"
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "uid": name,
            "namespace": "models",
            "labels": labels,
            "creationTimestamp": "2026-01-31T12:00:00Z",
            "ownerReferences": [owner | {"controller": True}],
        },
        "spec": {
            "initContainers": [collector] if image else [],
            "containers": [{"name": "m", "ports": [{"name": "http", "containerPort": 8080}]}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "initContainerStatuses": [running] if image else [],
        },
    }


def examined(source: MemoryCluster, monitor: str | None = None) -> Examination:
    return examine(source, FLIGHT_DELAY, "models", monitor)


def told(examination: Examination) -> tuple[int, str]:
    """Return the exit code and what is on the screen."""
    screen = Screen()
    try:
        show(screen.console, examination)
    except typer.Exit as end:
        return end.exit_code, screen.text
    return 0, screen.text


def test_a_watched_workload_looks_as_in_the_golden_file(
    golden: Callable[[str, bytes], None],
) -> None:
    source = cluster("healthy")
    new, old = "example.org/collector:2", "example.org/collector:1"
    foreign = pod("flight-delay-7d9-d", new, monitor_uid="before")
    stranger = pod("other-7d9-a", new)
    stranger["metadata"]["ownerReferences"][0]["name"] = "other-7d9"
    source.others += [
        pod("flight-delay-7d9-c", ready=False),
        pod("flight-delay-7d9-b", old),
        pod("flight-delay-7d9-a", new),
        foreign,
        stranger,
    ]

    code, text = told(examined(source))

    golden("cli/doctor-healthy.txt", text.encode())
    assert code == 0
    assert "other-7d9-a" not in text


def test_a_workload_in_trouble_looks_as_in_the_golden_file_and_ends_with_1(
    golden: Callable[[str, bytes], None],
) -> None:
    code, text = told(examined(cluster("troubled")))

    golden("cli/doctor-troubled.txt", text.encode())
    assert code == 1


def test_what_may_not_be_read_is_a_note() -> None:
    source = cluster("healthy")
    source.denied = {"Service", "Pod", "Namespace", "ResourceQuota"}

    notes = {one.subject for one in examined(source).findings if one.level is Level.NOTE}

    assert {"Service", "Pod", "Namespace", "ResourceQuota"} <= notes
    assert told(examined(source))[0] == 0


def test_pods_that_carry_a_collector_ask_the_quota_for_nothing_more() -> None:
    source = cluster("healthy")
    quota = {"kind": "ResourceQuota", "metadata": {"name": "team"}}
    source.others.append(quota | {"spec": {"hard": {"requests.cpu": "60m"}}})
    assert told(examined(source))[0] == 1
    source.others += [pod(name, "example.org/collector:2") for name in ("a", "b")]
    assert told(examined(source))[0] == 0


def test_an_open_breaker_and_a_monitor_that_is_not_ready_are_problems() -> None:
    source = cluster("healthy")
    status = source.bodies[0]["status"]
    status["injection"] |= {"breaker": BreakerState.OPEN.value, "message": "no image"}
    status["conditions"][0] |= {"status": "False", "reason": "BaselineNotFound", "message": "lost"}
    status["conditions"][1] |= {"reason": "NotInjected", "message": "no injector answered"}

    problems = [one for one in examined(source).findings if one.level is Level.PROBLEM]

    assert [(one.subject, one.message) for one in problems] == [
        ("ModelMonitor flight-delay", "Ready is False: lost"),
        ("ModelMonitor flight-delay", "CollectorsReady is False: no injector answered"),
        ("circuit breaker", "Open: no image"),
    ]


def test_a_pod_that_waits_for_its_collector_says_why() -> None:
    source = cluster("healthy")
    waiting = pod("flight-delay-7d9-a", "example.org/collector:2", ready=False)
    waiting["status"] |= {
        "startTime": "2026-01-31T12:00:00Z",
        "initContainerStatuses": [
            {"name": "mm-collector", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
        ],
    }
    source.others.append(waiting)

    assert "waiting    ImagePullBackOff" in told(examined(source))[1]


def test_the_oldest_monitor_of_the_workload_decides_unless_one_is_named() -> None:
    source = cluster("healthy")
    younger = {
        **source.bodies[0],
        "metadata": source.bodies[0]["metadata"]
        | {"name": "a", "creationTimestamp": "2026-02-01T12:00:00Z"},
    }
    source.bodies.insert(0, younger)
    for asked, name in ((None, "flight-delay"), ("a", "a")):
        monitor = examined(source, asked).monitor
        assert monitor is not None
        assert monitor.metadata.name == name
    with pytest.raises(CommandError, match="there is no ModelMonitor gone in namespace models"):
        examined(source, "gone")


@pytest.mark.parametrize(
    ("text", "workload"),
    [
        ("deployment/m", Workload("Deployment", "m")),
        ("deploy/m", Workload("Deployment", "m")),
        ("sts/m", Workload("StatefulSet", "m")),
        ("isvc/iris", Workload("Deployment", "iris-predictor")),
    ],
)
def test_targets_are_written_as_for_kubectl(text: str, workload: Workload) -> None:
    assert parse_target(text) == workload


@pytest.mark.parametrize("text", ["m", "deployment/", "daemonset/m", "/m", ""])
def test_another_target_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(CommandError, match="write deployment/NAME"):
        parse_target(text)


def test_files_are_examined_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(WORKLOADS / "troubled.yaml")
    with pytest.raises(SystemExit) as end:
        run(["doctor", "deployment/flight-delay", "-n", "models", "-f", file])
    assert end.value.code == 1
    assert "allows port 8080 by number" in capsys.readouterr().out

    with pytest.raises(SystemExit) as end:
        run(["doctor", "deploy/flight-delay", "-n", "models", "-f", file.replace(*HEALTHY)])
    assert end.value.code == 0
    assert "watched by flight-delay" in capsys.readouterr().out


def test_a_workload_or_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(WORKLOADS / "healthy.yaml")
    assert run(["doctor", "deploy/gone", "-n", "models", "-f", file]) == 1
    assert "there is no Deployment gone in namespace models" in capsys.readouterr().err
    assert run(["doctor", "deploy/flight-delay", "-n", "elsewhere", "-f", file]) == 1
    assert "there is no Deployment flight-delay in namespace" in capsys.readouterr().err
    assert run(["doctor", "deploy/m", "-f", "gone.yaml"]) == 1
    assert "gone.yaml cannot be read: No such file" in capsys.readouterr().err
