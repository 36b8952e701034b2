"""The controller as a process against a real API server; collectors are served over loopback."""

import signal
import time
import urllib.request
from collections.abc import Callable

import pytest

from modelmonitor.core.times import format_time
from tests.controller.collector_server import ServedCollector, serving
from tests.controller.room import Body, Room, condition, has
from tests.controller.world import RETRAINING
from tests.support.kstatus import compute_status, kubectl_wait_is_met
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.api, pytest.mark.timeout(300)]


def test_ready_alert_one_job_kill_and_recovery(room: Room) -> None:
    room.deploy()
    room.apply_monitor(retraining=RETRAINING)
    ready = room.wait("Ready", has("Ready", "True", "Succeeded"))
    assert kubectl_wait_is_met(ready, "Ready")
    assert compute_status(ready).status == "Current"

    collector = ServedCollector("127.0.9.1", room.pod("web-r1-a", "127.0.9.1"), room.roots())
    with serving(collector):
        room.wait("OK", lambda body: body["status"].get("alertState") == "OK")
        assert condition(room.monitor(), "CollectorsReady") == ("True", "AllInjected")
        assert collector.refused == []
        assert room.jobs() == []

        collector.errors = 50
        fired = room.wait("an alert", has("Alerting", "True", "ThresholdBreached"))
        assert compute_status(fired).status == "Current"
        (job,) = wait_until("a Job", room.jobs, 5)
        owner = job["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("ModelMonitor", "m", True)
        assert "AlertFired" in room.events()

        before = room.wait("the Job is recorded", has("RetrainingActive", "True", "JobRunning"))
        assert room.kill() == -signal.SIGKILL
        room.start()
        wait_until("lists", lambda: ready_probe(room.port), 60, explain=room.log)
        after = room.wait("judged again", newer_than(before), 60)
        assert since(after) == since(before)
        assert [each["metadata"]["name"] for each in room.jobs()] == [job["metadata"]["name"]]

        finish(room, job)
        room.wait("the outcome", lambda body: bool(body["status"]["retraining"].get("history")))
        collector.errors = 0
        room.wait("recovery", has("Alerting", "False", "NoBreach"))
        closed = room.wait("the end", lambda body: episode(body)["phase"] == "Closed")
        assert episode(closed)["cause"] == "Recovered"
        assert room.kill(signal.SIGTERM) == 0
    assert "this is a defect" not in room.log()


def ready_probe(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def since(body: Body) -> list[tuple[str, str, str]]:
    return [(each["name"], each["state"], each["since"]) for each in body["status"]["metrics"]]


def newer_than(before: Body) -> Callable[[Body], bool]:
    return lambda body: body["status"]["evaluatedAt"] >= before["status"]["evaluatedAt"]


def episode(body: Body) -> Body:
    found: Body = body["status"]["retraining"]["episode"]
    return found


def finish(room: Room, job: Body) -> None:
    now = format_time(time.time())
    moment = {"lastProbeTime": now, "lastTransitionTime": now, "status": "True"}
    room.patch_status(
        "job",
        job["metadata"]["name"],
        {
            "startTime": now,
            "completionTime": now,
            "succeeded": 1,
            "conditions": [
                {"type": "SuccessCriteriaMet", **moment},
                {"type": "Complete", **moment},
            ],
        },
    )


def test_what_is_missing_is_said_and_found_when_it_appears(room: Room) -> None:
    room.apply_monitor(retraining=broken_template())
    missing = room.wait("TargetNotFound", has("Stalled", "True", "TargetNotFound"))
    assert compute_status(missing).status == "Failed"
    room.deploy()
    refused = room.wait("the template", has("Stalled", "True", "JobTemplateInvalid"))
    assert condition(refused, "Ready") == ("False", "JobTemplateInvalid")
    messages = [each["message"] for each in refused["status"]["conditions"]]
    assert any("containers" in message for message in messages)
    room.apply_monitor()
    room.wait("Ready", has("Ready", "True", "Succeeded"))
    assert condition(room.monitor(), "Stalled") == ("", "")


def broken_template() -> Body:
    job = {"template": {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}}
    return {**RETRAINING, "job": job}


def test_the_younger_of_two_monitors_is_stalled_until_the_older_is_gone(room: Room) -> None:
    room.deploy()
    room.apply_monitor()
    room.wait("Ready", has("Ready", "True"))
    time_of_first = room.monitor()["metadata"]["creationTimestamp"]
    wait_until("another second", lambda: format_time(time.time()) > time_of_first, 3)
    room.apply_monitor("n")

    def younger() -> tuple[str, str]:
        return condition(room.monitor("n"), "Stalled")

    wait_until("a conflict", lambda: younger() == ("True", "Conflicted"), 30, explain=room.log)
    room.kubectl("delete", "mm", "m", "-n", room.name)
    wait_until(
        "Ready", lambda: condition(room.monitor("n"), "Ready")[0] == "True", 30, explain=room.log
    )
