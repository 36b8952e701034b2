import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.flights.kube import rolled_out
from demo.story.chapters import july_intervals, shell_words
from demo.story.controller import judged_intervals, wait_for_judged
from demo.story.install import Installation
from demo.story.kubectl import Kubectl, KubectlError, MissingError
from demo.story.timeline import Timeline, clock
from demo.story.transitions import MESSAGE_WIDTH, brief, transitions
from demo.story.watch import ExpectationError, MonitorWatch, json_objects
from modelmonitor.api.v1alpha1.monitor import ModelMonitor

NOW = "2026-01-31T12:00:00Z"
SPEC = {
    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m"},
    "collection": {"ports": [{"name": "http"}]},
    "interval": "5s",
    "metrics": [
        {
            "name": "traffic",
            "type": "RequestRate",
            "threshold": {"operator": "LessThan", "critical": "1"},
        }
    ],
}

Fake = Callable[[str], Kubectl]


def monitor(**status: Any) -> ModelMonitor:
    return ModelMonitor.model_validate(
        {
            "metadata": {"name": "m", "namespace": "n", "generation": 1},
            "spec": SPEC,
            "status": status,
        }
    )


def metric(state: str, severity: str | None = None) -> dict[str, Any]:
    return {
        "name": "traffic",
        "type": "RequestRate",
        "state": state,
        "severity": severity,
        "since": NOW,
        "reason": "Why",
        "message": "so it is",
    }


@pytest.fixture
def fake_kubectl(tmp_path: Path) -> Fake:
    """Return a maker of clusters whose kubectl is the shell script that it is given."""

    def make(script: str) -> Kubectl:
        program = tmp_path / "kubectl"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        return Kubectl({"PATH": f"{tmp_path}:/usr/bin:/bin"})

    return make


@pytest.fixture
def pipe() -> Iterator[tuple[io.BufferedReader, int]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream:
        yield stream, writing


def test_a_new_alert_state_is_told_with_the_summary() -> None:
    told = transitions(monitor(alertState="OK"), monitor(alertState="Critical", summary="1 firing"))
    assert told == ["OK → Critical (1 firing)"]


def test_nothing_is_told_twice() -> None:
    now = monitor(alertState="OK", metrics=[metric("Firing", "Warning")], summary="1 firing")
    assert transitions(now, now) == []


def test_a_metric_is_told_when_it_fires_and_when_it_recovers_but_not_when_it_warms_up() -> None:
    unknown, ok = monitor(metrics=[metric("Unknown")]), monitor(metrics=[metric("OK")])
    firing = monitor(metrics=[metric("Firing", "Critical")])
    assert transitions(unknown, ok) == []
    assert transitions(ok, firing) == ["metric traffic: Firing Critical: so it is"]
    assert transitions(firing, ok) == ["metric traffic: OK: so it is"]


def test_a_condition_is_told_when_status_or_reason_changes() -> None:
    def ready(reason: str, message: str) -> ModelMonitor:
        condition = {
            "type": "Ready",
            "status": "False",
            "observedGeneration": 1,
            "lastTransitionTime": NOW,
            "reason": reason,
            "message": message,
        }
        return monitor(conditions=[condition])

    before = ready("TargetNotFound", "no Deployment m")
    assert transitions(None, before) == ["Ready=False/TargetNotFound: no Deployment m"]
    assert transitions(before, ready("TargetNotFound", "other words")) == []
    assert transitions(before, ready("PortNotFound", "no port")) == [
        "Ready=False/PortNotFound: no port"
    ]


def test_a_long_message_is_cut_at_a_word() -> None:
    assert brief("short enough") == "short enough"
    long = brief("word " * 100)
    assert len(long) <= MESSAGE_WIDTH
    assert long.endswith("word …")


def test_collectors_baseline_and_episode_are_told() -> None:
    episode = {
        "number": 1,
        "openedAt": NOW,
        "revision": "r",
        "baselineDigest": "sha256:0123456789abcdef",
        "phase": "Running",
        "metrics": ["inputs"],
        "jobName": "m-rt-1-abc",
    }
    after = monitor(
        collectors={"matched": 3, "injected": 2},
        baseline={"digest": "sha256:0123456789abcdef", "rows": 7},
        retraining={"episode": episode},
    )
    assert transitions(monitor(), after) == [
        "2 of 3 pods carry a collector",
        "baseline 0123456789 in force, from 7 rows",
        "retraining episode 1: Running, Job m-rt-1-abc",
    ]


def test_objects_are_read_as_they_come_even_in_pieces(
    pipe: tuple[io.BufferedReader, int],
) -> None:
    stream, writing = pipe
    found = json_objects(stream)
    os.write(writing, '{"a": "é"}\n{"b"'.encode())
    assert next(found) == {"a": "é"}
    os.write(writing, b': {"c": 2}}')
    os.close(writing)
    assert list(found) == [{"b": {"c": 2}}]


def test_the_watch_sees_states_waits_for_one_and_remembers_them(
    fake_kubectl: Fake, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    os.mkfifo(state)
    began = time.monotonic()
    watching = MonitorWatch(fake_kubectl(f"exec cat {state}"), "n", "m")
    with watching as watch, state.open("w", encoding="utf-8") as out:
        for alert in ("Unknown", "OK"):
            out.write(monitor(alertState=alert).model_dump_json(by_alias=True))
            out.flush()
        seen = watch.wait_for("OK", lambda one: one.status.alert_state == "OK", 20)
        states = [one.monitor.status.alert_state for one in watch.since(began)]
        latest = watch.latest()
    assert seen == latest
    assert states == ["Unknown", "OK"]


def test_a_state_that_does_not_come_is_named(fake_kubectl: Fake) -> None:
    watching = MonitorWatch(fake_kubectl("exec sleep 60"), "n", "m")
    with watching as watch, pytest.raises(ExpectationError, match="OK: not within 0 s"):
        watch.wait_for("OK", lambda one: one.status.alert_state == "OK", 0.05)


def test_a_refused_command_says_what_the_server_said(fake_kubectl: Fake) -> None:
    kubectl = fake_kubectl("echo 'error: you must be logged in' >&2; exit 1")
    with pytest.raises(KubectlError, match="kubectl get pods: error: you must be logged in"):
        kubectl.run("get", "pods")


def test_a_missing_object_is_an_error_of_its_own(fake_kubectl: Fake) -> None:
    kubectl = fake_kubectl("echo 'Error from server (NotFound): pods \"x\" not found' >&2; exit 1")
    with pytest.raises(MissingError):
        kubectl.get("pod", "x")


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubectlError, match="kubectl is not installed"):
        Kubectl({"PATH": str(tmp_path)}).run("version")


@pytest.mark.parametrize(
    ("began", "evaluated", "intervals"),
    [
        (100.0, 105, 1),  # July began with an interval
        (101.0, 105, 0),  # the interval ending at 105 is a mixture
        (101.0, 110, 1),
        (104.9, 125, 4),
    ],
)
def test_only_intervals_of_july_alone_count(began: float, evaluated: int, intervals: int) -> None:
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(evaluated))
    assert july_intervals(began, monitor(evaluatedAt=text), 5.0) == intervals


def test_the_chart_is_installed_with_the_images_that_were_built() -> None:
    command = Installation({}).command("localhost:5000/op:1", "localhost/col:2")
    assert "--set-string=image.operator.repository=localhost:5000/op" in command
    assert "--set-string=image.operator.tag=1" in command
    assert "--set-string=image.collector.tag=2" in command


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}, False),  # an old one left
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, False),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, True),
    ],
)
def test_a_rollout_is_over_when_all_pods_are_new_and_available(
    status: dict[str, int], expected: bool
) -> None:
    def deployment(observed: int) -> dict[str, Any]:
        return {
            "metadata": {"generation": 4},
            "spec": {"replicas": 2},
            "status": {**status, "observedGeneration": observed},
        }

    assert rolled_out(deployment(observed=4)) is expected
    assert not rolled_out(deployment(observed=3))


def test_every_line_carries_the_time_and_every_step_its_duration() -> None:
    ticks = iter([0.0, 61.0, 61.0, 64.5, 64.5, 64.5])
    out = io.StringIO()
    timeline = Timeline(Console(file=out, width=80), now=lambda: next(ticks))
    with timeline.step("do [it]"):
        pass
    lines = out.getvalue().splitlines()
    assert lines[0].startswith(" 1:01 … do [it]")
    assert lines[-1].startswith(" 1:04 ✓ do [it] (3.5 s)")
    assert timeline.steps == [("do [it]", 3.5)]


def test_the_output_of_a_command_is_shown_as_it_is() -> None:
    out = io.StringIO()
    Timeline(Console(file=out, width=40)).text(f"[a] {'long ' * 20}\n\nb\n")
    assert out.getvalue().splitlines() == [
        f"         [a] {'long ' * 20}".rstrip(),
        "",
        f"{' ' * 9}b",
    ]


def test_a_clock_shows_minutes_and_seconds() -> None:
    assert [clock(0.9), clock(59.9), clock(725)] == [" 0:00", " 0:59", "12:05"]


def test_the_reader_is_told_what_to_export() -> None:
    assert shell_words({"KUBECONFIG": "/a b"}, [Path("/c d"), Path("/e")]) == (
        "export KUBECONFIG='/a b' PATH='/c d':/e:$PATH"
    )


def test_judged_intervals_are_read_from_the_controllers_metrics(fake_kubectl: Fake) -> None:
    kubectl = fake_kubectl(
        """case "$*" in
        *--raw*) printf '# TYPE x counter\\nmodelmonitor_ticks_judged_total 41.0\\n' ;;
        *) echo '{"items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}' ;;
        esac"""
    )
    assert judged_intervals(kubectl) == 82


def counting_kubectl(fake_kubectl: Fake, tmp_path: Path, *counts: int) -> Kubectl:
    """Return a cluster whose one controller tells these counts, one after the other, to the end."""
    script = tmp_path / "counts"
    script.write_text("".join(f"modelmonitor_ticks_judged_total {count}.0\n" for count in counts))
    return fake_kubectl(
        f"""case "$*" in
        *--raw*) head -n 1 {script}; [ $(wc -l < {script}) -eq 1 ] || sed -i 1d {script} ;;
        *) echo '{{"items": [{{"metadata": {{"name": "a"}}}}]}}' ;;
        esac"""
    )


def test_judged_intervals_are_awaited_even_if_the_controller_is_restarted(
    fake_kubectl: Fake, tmp_path: Path
) -> None:
    kubectl = counting_kubectl(fake_kubectl, tmp_path, 40, 42, 1, 3, 9)
    assert wait_for_judged(kubectl, wanted=5, interval=0.5) == 5


def test_intervals_that_are_not_judged_end_the_story(fake_kubectl: Fake, tmp_path: Path) -> None:
    kubectl = counting_kubectl(fake_kubectl, tmp_path, 40, 42)
    with pytest.raises(ExpectationError, match="of 3 intervals"):
        wait_for_judged(kubectl, wanted=3, interval=0.05)
