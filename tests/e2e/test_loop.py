"""The whole loop on real input: null traffic, drift, alert, one Job despite a crash, recovery.

The model, its traffic and its training are the demo's. The null are held-back January and February
flights in random order; then July's. The intervals are 5 s and hold about 250 rows.
"""

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from demo.flights.columns import INPUTS
from demo.flights.replay import request_body
from demo.story.flights import MODEL, Flights
from demo.story.kubectl import Kubectl
from demo.story.watch import MonitorWatch, Seen
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import AlertState, EpisodePhase, MetricState
from modelmonitor.core.times import parse_time
from tests.e2e.kit import Kube, is_injected, last_judged
from tests.e2e.release import Release
from tests.support.kstatus import compute_status
from tests.support.load import LoadReport, Traffic, running_load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

NAMESPACE: Final = "flights-e2e"
INTERVAL: Final = 5.0
NULL_INTERVALS: Final = 30
MIN_ROWS: Final = 200
ALERT_WITHIN: Final = 5
"""Closed intervals that hold July rows only."""
JOB_WITHIN: Final = 5.0
"""Seconds from the breach to the Job."""

NO_RUNNING: Final = [
    # Statuses that say the Job runs are refused: the controller creates the Job and cannot say so.
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "e2e-no-running"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["modelmonitor.dev"],
                        "apiVersions": ["*"],
                        "operations": ["UPDATE"],
                        "resources": ["modelmonitors/status"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": "!has(object.status.retraining) || "
                    "!has(object.status.retraining.episode) || "
                    "object.status.retraining.episode.phase == 'Opened'",
                    "message": "the test refuses to let the Job be recorded",
                }
            ],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "e2e-no-running"},
        "spec": {
            "policyName": "e2e-no-running",
            "validationActions": ["Deny"],
            "matchResources": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
            },
        },
    },
]


@pytest.fixture(scope="module")
def flights(kubectl: Kubectl, demo_image: str, release: Release) -> Iterator[Flights]:
    """Serve the flight model, injected, with its traffic of January and February."""
    parts = Flights(kubectl, NAMESPACE, demo_image)
    parts.remove()
    parts.apply("namespace.yaml")
    parts.apply("trainer.yaml")
    parts.train_first()
    parts.deploy_model()
    parts.apply("monitor.yaml")
    yield parts
    parts.remove()


@pytest.fixture(scope="module")
def watch(kubectl: Kubectl, flights: Flights) -> Iterator[MonitorWatch]:
    """Remember every status of the flights' monitor."""
    with MonitorWatch(kubectl, NAMESPACE, MODEL) as running:
        yield running


@pytest.fixture
def recording_refused(kube: Kube) -> Iterator[None]:
    """Refuse every status that records a Job, for as long as the test wants."""
    kube.apply(*NO_RUNNING)
    yield
    forget(kube)


def forget(kube: Kube) -> None:
    for body in NO_RUNNING:
        kube("delete", str(body["kind"]), "e2e-no-running", "--ignore-not-found")


def is_firing(monitor: ModelMonitor) -> bool:
    return any(
        metric.state in {MetricState.FIRING, MetricState.RECOVERING}
        for metric in monitor.status.metrics
    )


def is_ok(monitor: ModelMonitor) -> bool:
    return monitor.status.alert_state is AlertState.OK


def has_ready(monitor: ModelMonitor) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in monitor.status.conditions)


def evaluated(seen: Seen) -> float:
    assert seen.monitor.status.evaluated_at is not None
    return parse_time(seen.monitor.status.evaluated_at)


def job_times(flights: Flights) -> dict[str, str]:
    return {job["metadata"]["name"]: job["metadata"]["creationTimestamp"] for job in flights.jobs()}


def roll_out_under_traffic(flights: Flights, kube: Kube, direction: str) -> LoadReport:
    """Return what clients of MLServer saw during a rolling update at 10 requests/s."""
    row = dict.fromkeys(INPUTS, "1") | {"origin": "JFK", "carrier": "AA"}
    service = kube.get("service", MODEL, NAMESPACE)["spec"]["clusterIP"]
    url = f"http://{service}/v2/models/{MODEL}/infer"
    body = json.dumps(request_body([row], "rolling-update")).encode()
    with running_load(Traffic(url, 10, body=body, timeout=30)) as (report,):
        wait_until("traffic flows", lambda: report.answered > 20, 30)
        flights.restart()
        settled = report.answered + 20
        wait_until("traffic goes on", lambda: report.answered > settled, 30)
    print(f"{direction}: {report}")
    return report


def test_apply_leads_to_ready_and_injected_pods(
    flights: Flights, watch: MonitorWatch, kube: Kube
) -> None:
    began = time.monotonic()
    watch.wait_for("Ready", has_ready, 60)
    print(f"Ready {time.monotonic() - began:.1f} s after the first look")
    assert roll_out_under_traffic(flights, kube, "plain → injected").failed == 0
    watch.wait_for(
        "2 of 2 injected",
        lambda monitor: (
            monitor.status.collectors is not None
            and (monitor.status.collectors.matched, monitor.status.collectors.injected) == (2, 2)
        ),
        120,
    )


def test_nothing_fires_while_null_traffic_is_replayed(
    flights: Flights, watch: MonitorWatch, kube: Kube
) -> None:
    flights.start_replay("winter")
    watch.wait_for("OK", is_ok, 120)
    began, ends = time.monotonic(), set[int]()

    def enough() -> bool:
        ends.add(round(last_judged(kube, NAMESPACE) / INTERVAL))
        return len(ends) > NULL_INTERVALS

    limit = NULL_INTERVALS * INTERVAL * 2
    wait_until(f"{NULL_INTERVALS} judged intervals", enough, limit, every=2)
    states = watch.since(began)
    assert not [seen for seen in states if is_firing(seen.monitor)]
    assert all(seen.monitor.status.alert_state is AlertState.OK for seen in states)
    assert flights.jobs() == []
    failed = sum(report["failed"] for report in flights.client_reports())
    print(f"{len(ends) - 1} null intervals, no alert; {failed} failed requests")


def test_drift_alerts_and_one_job_is_created_although_the_controller_dies(
    flights: Flights,
    watch: MonitorWatch,
    kube: Kube,
    release: Release,
    recording_refused: None,
) -> None:
    switched = flights.replay("july")
    first_july = (switched // INTERVAL + 1) * INTERVAL  # the first interval with July rows only
    alert = watch.wait_for("an alert", is_firing, 120)
    intervals = (evaluated(alert) - first_july) / INTERVAL
    print(
        f"first alert with closed July interval number {intervals:.0f}: "
        f"{alert.monitor.status.worst}"
    )
    assert intervals <= ALERT_WITHIN
    rows = {metric.name: metric.samples for metric in alert.monitor.status.metrics}
    assert (rows["inputs"] or 0) >= MIN_ROWS

    wait_until("a Job", flights.jobs, 120, every=0.1)
    release.kill_controller()  # it could not record the Job: the policy refused
    opened = watch.wait_for("the episode", has_episode, 10)
    (created,) = job_times(flights).items()
    delay = parse_time(created[1]) - parse_time(episode(opened.monitor).opened_at)
    print(f"Job {created[0]} created {delay:.0f} s after the episode was opened")
    assert delay <= JOB_WITHIN
    assert episode(watch.since(time.monotonic())[-1].monitor).phase is EpisodePhase.OPENED

    forget(kube)
    watch.wait_for(
        "the Job is adopted",
        lambda monitor: has_episode(monitor) and episode(monitor).phase is not EpisodePhase.OPENED,
        120,
    )
    assert list(job_times(flights)) == [created[0]]


def test_after_retraining_all_is_ok_again(flights: Flights, watch: MonitorWatch) -> None:
    before = watch.since(0)[0].monitor.status.baseline
    done = watch.wait_for(
        "the episode is closed",
        lambda monitor: has_episode(monitor) and episode(monitor).phase is EpisodePhase.CLOSED,
        300,
    )
    assert episode(done.monitor).cause == "NewBaseline"
    ended = watch.wait_for("OK again", is_ok, 180)
    assert ended.monitor.status.baseline != before
    assert ended.monitor.status.retraining is not None
    history = ended.monitor.status.retraining.history
    assert [(run.number, run.outcome) for run in history] == [(1, "Succeeded")]
    assert len(flights.jobs()) == 1


def test_a_slow_replica_fires_the_latency_threshold_which_recovers(
    flights: Flights, watch: MonitorWatch
) -> None:
    def latency(monitor: ModelMonitor) -> MetricState:
        return next(one.state for one in monitor.status.metrics if one.name == "latency-p95")

    pod = flights.pods()[0]
    flights.slow_down(pod, 1.5)
    watch.wait_for("latency", lambda monitor: latency(monitor) is MetricState.FIRING, 120)
    flights.speed_up(pod)
    watch.wait_for("recovery", lambda monitor: latency(monitor) is MetricState.OK, 120)
    assert len(flights.jobs()) == 1


def test_every_status_on_the_way_conforms_to_kstatus(watch: MonitorWatch) -> None:
    bodies: list[dict[str, Any]] = [
        seen.monitor.model_dump(mode="json", by_alias=True, exclude_none=True)
        for seen in watch.since(0)
    ]
    results = [compute_status(body).status for body in bodies]
    print(f"{len(results)} statuses: {sorted(set(results))}")
    assert set(results) <= {"InProgress", "Current"}
    assert results[-1] == "Current"


def test_rolling_updates_of_mlserver_lose_no_request(flights: Flights, kube: Kube) -> None:
    assert roll_out_under_traffic(flights, kube, "injected → injected").failed == 0
    kube("delete", "modelmonitor", MODEL, "-n", NAMESPACE)
    assert roll_out_under_traffic(flights, kube, "injected → plain").failed == 0
    pods = kube.list("pods", NAMESPACE, f"app.kubernetes.io/name={MODEL}")
    assert not any(is_injected(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])


def has_episode(monitor: ModelMonitor) -> bool:
    return monitor.status.retraining is not None and monitor.status.retraining.episode is not None


def episode(monitor: ModelMonitor) -> Any:
    assert monitor.status.retraining is not None
    return monitor.status.retraining.episode
