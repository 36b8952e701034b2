"""The resource as users and the operator handle it: defaults, columns, selectors, status, waits."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.api.v1alpha1.conditions import ConditionType, ReadyReason
from modelmonitor.api.v1alpha1.monitor import FIELD_MANAGER
from modelmonitor.api.v1alpha1.parsing import parse_monitor
from modelmonitor.api.v1alpha1.status import (
    AlertState,
    Condition,
    ConditionStatus,
    ModelMonitorStatus,
    RetrainingStatus,
)
from tests.api.client import APPLY, Answer, ApiServer
from tests.api.conftest import NAMESPACE
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.cluster.mmcluster.shell import ClusterError
from tests.support.kstatus import KStatus, compute_status
from tests.support.manifests import CORPUS, GOOD, bodies, name_of

pytestmark = pytest.mark.api

LONG_AGO = "2026-01-31T12:00:00Z"
Body = dict[str, Any]


@pytest.fixture
def monitor(server: ApiServer) -> Iterator[Body]:
    """Return a new monitor with the least possible spec, as the API server answers it."""
    (body,) = bodies(CORPUS / "good" / "minimal.yaml")
    answer = server.monitors(NAMESPACE, "POST", body=body)
    assert answer.accepted, answer.causes
    yield answer.body
    server.monitors(NAMESPACE, "DELETE", name_of(body))


def ready(generation: int, status: ConditionStatus = ConditionStatus.TRUE) -> Condition:
    return Condition(
        type=ConditionType.READY,
        status=status,
        observed_generation=generation,
        last_transition_time=LONG_AGO,
        reason=ReadyReason.SUCCEEDED,
        message="all that it needs was found",
    )


def apply_status(
    server: ApiServer, monitor: Body, status: ModelMonitorStatus, **metadata: str
) -> Answer:
    """Write a status as the operator does."""
    body = {
        "apiVersion": monitor["apiVersion"],
        "kind": monitor["kind"],
        "metadata": {"name": name_of(monitor), **metadata},
        "status": status.to_wire(),
    }
    path = f"{name_of(monitor)}/status"
    query = {"fieldManager": FIELD_MANAGER, "force": "true"}
    return server.monitors(NAMESPACE, "PATCH", path, body=body, content_type=APPLY, **query)


def test_every_default_is_written_by_the_api_server(monitor: Body) -> None:
    assert monitor["spec"] == {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
        "collection": {
            "ports": [{"name": "http", "protocol": "Auto", "takeover": {"type": "Renumber"}}],
            "sampleRatio": "1",
            "source": "Traffic",
            "reveal": [],
            "derived": [],
            "restart": "Never",
            "resources": {
                "requests": {"cpu": "50m", "memory": "96Mi"},
                "limits": {"memory": "256Mi"},
            },
        },
        "drift": {"falseAlarmInterval": {"warning": "168h", "critical": "2160h"}},
        "interval": "1m",
        "metrics": [
            {
                "name": "errors",
                "type": "ErrorRatio",
                "noDataPolicy": "Hold",
                "threshold": {
                    "operator": "GreaterThan",
                    "critical": "0.05",
                    "pendingFor": "0s",
                    "keepFiringFor": "0s",
                    "minSamples": 1,
                },
            }
        ],
        "mode": "Enforce",
        "suspend": False,
    }


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_defaults_mean_the_same_to_the_operator(server: ApiServer, path: Path) -> None:
    for body in bodies(path):
        body["metadata"]["namespace"] = NAMESPACE
        stored = server.monitors(NAMESPACE, "POST", body=body, dryRun="All").body
        assert parse_monitor(stored).spec == parse_monitor(body).spec


def test_a_monitor_that_no_operator_has_seen_is_in_progress(monitor: Body) -> None:
    assert monitor["status"] == {"observedGeneration": -1}
    assert compute_status(monitor).status == KStatus.IN_PROGRESS


def test_writing_the_spec_raises_the_generation_and_writing_the_status_does_not(
    server: ApiServer, monitor: Body
) -> None:
    assert monitor["metadata"]["generation"] == 1
    seen = apply_status(server, monitor, ModelMonitorStatus(observed_generation=1)).body
    assert seen["metadata"]["generation"] == 1
    changed = merge(server, monitor, {"spec": {"suspend": True}})
    assert changed.body["metadata"]["generation"] == 2


def merge(server: ApiServer, monitor: Body, change: Body) -> Answer:
    kind = "application/merge-patch+json"
    return server.monitors(NAMESPACE, "PATCH", name_of(monitor), body=change, content_type=kind)


def test_the_target_cannot_be_changed(server: ApiServer, monitor: Body) -> None:
    answer = merge(server, monitor, {"spec": {"targetRef": {"name": "another"}}})
    (cause,) = answer.causes
    assert cause.startswith("spec.targetRef: Invalid value: targetRef is immutable: delete this")


def test_a_status_is_owned_by_the_operators_field_manager(server: ApiServer, monitor: Body) -> None:
    status = ModelMonitorStatus(observed_generation=1, conditions=[ready(1)])
    answer = apply_status(server, monitor, status)
    assert answer.accepted, answer.causes
    owners = {each["manager"]: each for each in answer.body["metadata"]["managedFields"]}
    assert owners[FIELD_MANAGER]["subresource"] == "status"
    assert owners[FIELD_MANAGER]["operation"] == "Apply"
    assert parse_monitor(answer.body).status == status


def test_what_a_later_status_leaves_out_disappears(server: ApiServer, monitor: Body) -> None:
    first = ModelMonitorStatus(observed_generation=1, conditions=[ready(1)], worst="errors")
    apply_status(server, monitor, first)
    answer = apply_status(server, monitor, ModelMonitorStatus(observed_generation=1))
    assert parse_monitor(answer.body).status == ModelMonitorStatus(observed_generation=1)


def test_a_status_made_from_an_old_reading_is_refused(server: ApiServer, monitor: Body) -> None:
    old = monitor["metadata"]["resourceVersion"]
    status = ModelMonitorStatus(observed_generation=1)
    apply_status(server, monitor, status)
    late = status.model_copy(update={"worst": "errors"})
    assert apply_status(server, monitor, late, resourceVersion=old).code == 409


def test_a_status_beyond_its_bounds_is_refused(server: ApiServer, monitor: Body) -> None:
    too_long = ModelMonitorStatus.model_construct(observed_generation=1, worst="x" * 129)
    answer = apply_status(server, monitor, too_long)
    assert any("status.worst: Too long" in cause for cause in answer.causes)


def test_columns_tell_the_story_at_a_glance(
    server: ApiServer, kubectl: Kubectl, monitor: Body
) -> None:
    status = ModelMonitorStatus(
        observed_generation=1,
        conditions=[ready(1)],
        alert_state=AlertState.CRITICAL,
        summary="6 ok, 1 firing",
        worst="latency-p99",
        retraining=RetrainingStatus(last_started_at=monitor["metadata"]["creationTimestamp"]),
    )
    apply_status(server, monitor, status)
    header, row = kubectl("get", "mm", "-n", NAMESPACE).splitlines()
    print(f"{header}\n{row}")
    names = ["NAME", "TARGET", "READY", "ALERT", "METRICS", "LAST-RETRAIN", "AGE"]
    assert header.split() == names
    assert columns(header, row) | {"LAST-RETRAIN": "", "AGE": ""} == {
        "NAME": "minimal",
        "TARGET": "model",
        "READY": "True",
        "ALERT": "Critical",
        "METRICS": "6 ok, 1 firing",
        "LAST-RETRAIN": "",
        "AGE": "",
    }
    assert re.fullmatch(r"[0-9]+s", columns(header, row)["LAST-RETRAIN"])
    header, row = kubectl("get", "modelmonitors", "-n", NAMESPACE, "-o", "wide").splitlines()
    assert columns(header, row)["WORST"] == "latency-p99"
    assert kubectl("get", "mlops", "-n", NAMESPACE, "-o", "name").strip().endswith("/minimal")


def columns(header: str, row: str) -> dict[str, str]:
    """Return a row of kubectl's table by the names of its columns."""
    starts = [header.index(name) for name in header.split()]
    ends = [*starts[1:], None]
    return {
        name: row[start:end].strip()
        for name, start, end in zip(header.split(), starts, ends, strict=True)
    }


@pytest.mark.parametrize(
    "selector",
    ["spec.targetRef.name=model", "spec.suspend=false", "status.alertState=OK"],
)
def test_monitors_are_found_by_their_fields(
    server: ApiServer, kubectl: Kubectl, monitor: Body, selector: str
) -> None:
    apply_status(
        server, monitor, ModelMonitorStatus(observed_generation=1, alert_state=AlertState.OK)
    )
    field, value = selector.split("=")
    other = "true" if value == "false" else "Critical"

    def found(selected: str) -> list[str]:
        listed = kubectl.get("mm", "-n", NAMESPACE, "--field-selector", selected)
        return [name_of(item) for item in listed["items"]]

    assert found(selector) == ["minimal"]
    assert found(f"{field}={other}") == []


def test_kubectl_waits_for_ready_of_the_present_generation(
    server: ApiServer, kubectl: Kubectl, monitor: Body
) -> None:
    wait = ("wait", "--for=condition=Ready", "mm/minimal", "-n", NAMESPACE)
    status = ModelMonitorStatus(observed_generation=1, conditions=[ready(1)])
    apply_status(server, monitor, status)
    assert kubectl.succeeds(*wait, "--timeout=10s")
    merge(server, monitor, {"spec": {"mode": "Observe"}})
    assert not kubectl.succeeds(*wait, "--timeout=1s")


def test_explain_describes_every_field(kubectl: Kubectl) -> None:
    tree = kubectl("explain", "mm", "--recursive")
    for name in ("falseAlarmInterval", "recoverAt", "keepFiringFor", "alertState", "sampleRatio"):
        assert name in tree
    text = kubectl("explain", "mm.spec.metrics.threshold.recoverAt")
    assert "safe side" in text


def test_kubectl_says_which_fields_are_wrong(kubectl: Kubectl, tmp_path: Path) -> None:
    (body, *_) = bodies(CORPUS / "bad" / "threshold.yaml")
    threshold = {"operator": "LessThan", "critical": "1", "recoverAt": "0.5"}
    body["spec"]["metrics"][0]["threshold"] = threshold
    (tmp_path / "bad.json").write_text(json.dumps(body))
    with pytest.raises(ClusterError) as caught:
        kubectl("apply", "-n", NAMESPACE, "-f", tmp_path / "bad.json")
    place = "spec.metrics[0].threshold.recoverAt"
    assert f'The ModelMonitor "no-operator" is invalid: {place}' in str(caught.value)
