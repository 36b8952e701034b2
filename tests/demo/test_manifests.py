from collections.abc import Iterator
from typing import Any

import pytest

from demo.flights.columns import INPUTS
from demo.flights.prepare import SEASONS
from demo.story.chapters import LATENCY, ROWS_PER_SECOND, SLOW_SECONDS, in_words
from demo.story.flights import CLIENT, FIRST_TRAINING, IMAGE, MANIFESTS, MODEL, Flights
from demo.story.kubectl import Kubectl
from modelmonitor.api.v1alpha1.base import parse_decimal, parse_duration
from modelmonitor.api.v1alpha1.monitor import INJECTION_LABEL, ModelMonitor

FILES = sorted(path.name for path in MANIFESTS.glob("*.yaml"))
FLIGHTS = Flights(Kubectl({}), namespace="elsewhere", image="registry/demo:1")


def objects() -> list[dict[str, Any]]:
    return [one for name in FILES for one in FLIGHTS.manifest(name)]


def only(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in objects() if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in objects():
        if one["kind"] in {"Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]
        if one["kind"] == "ModelMonitor":
            job = one["spec"]["retraining"]["job"]["template"]
            yield "retraining", job["spec"]["template"]["spec"]


PODS = dict(pod_specs())


def test_there_is_a_pod_for_every_part() -> None:
    assert set(PODS) == {MODEL, CLIENT, FIRST_TRAINING, "retraining"}


@pytest.mark.parametrize("name", PODS)
def test_pods_keep_the_restricted_pod_security_standard(name: str) -> None:
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", PODS)
def test_every_container_runs_the_image_that_was_asked_for(name: str) -> None:
    assert {container["image"] for container in PODS[name]["containers"]} == {"registry/demo:1"}


@pytest.mark.parametrize("name", FILES)
def test_the_image_is_spelt_as_the_code_knows_it(name: str) -> None:
    text = (MANIFESTS / name).read_text(encoding="utf-8")
    assert text.count("image:") == text.count(IMAGE)


def test_everything_is_in_the_namespace_that_was_asked_for() -> None:
    for one in objects():
        metadata = one["metadata"]
        where = metadata["name"] if one["kind"] == "Namespace" else metadata["namespace"]
        assert where == "elsewhere"
        assert all(subject["namespace"] == "elsewhere" for subject in one.get("subjects", []))


def test_the_namespace_lets_pods_be_injected() -> None:
    (namespace,) = FLIGHTS.manifest("namespace.yaml")
    assert namespace["metadata"]["labels"][INJECTION_LABEL] == "enabled"


def test_the_service_reaches_the_port_by_its_name() -> None:
    (port,) = only("Service", MODEL)["spec"]["ports"]
    names = [one["name"] for one in PODS[MODEL]["containers"][0]["ports"]]
    assert port["targetPort"] in names
    monitor = ModelMonitor.model_validate(only("ModelMonitor", MODEL))
    assert [one.name for one in monitor.spec.collection.ports] == [port["targetPort"]]


def test_the_monitor_names_what_is_there() -> None:
    monitor = ModelMonitor.model_validate(only("ModelMonitor", MODEL))
    assert monitor.spec.target_ref.name == MODEL
    metrics = {metric.name for metric in monitor.spec.metrics}
    assert LATENCY in metrics
    assert monitor.spec.retraining is not None
    assert set(monitor.spec.retraining.when.metrics) <= metrics
    columns = {metric.distance.column for metric in monitor.spec.metrics if metric.distance}
    assert columns <= set(INPUTS)


def test_both_trainings_write_the_baseline_that_the_monitor_reads() -> None:
    monitor = ModelMonitor.model_validate(only("ModelMonitor", MODEL))
    assert monitor.spec.baseline is not None
    assert monitor.spec.baseline.config_map is not None
    wanted = f"--baseline={monitor.spec.baseline.config_map.name}"
    seasons = []
    for name in (FIRST_TRAINING, "retraining"):
        arguments = PODS[name]["containers"][0]["args"]
        assert wanted in arguments
        seasons += [one.removeprefix("--season=") for one in arguments if "season" in one]
    assert seasons == list(SEASONS)


def test_the_deployment_serves_the_model_of_the_first_training() -> None:
    (model,) = [one for one in PODS[MODEL]["volumes"] if one["name"] == "model"]
    published = f"--publish-as={model['configMap']['name']}"
    assert published in PODS[FIRST_TRAINING]["containers"][0]["args"]


def test_an_interval_holds_enough_rows_to_judge_and_the_story_says_how_many() -> None:
    monitor = ModelMonitor.model_validate(only("ModelMonitor", MODEL))
    assert f"--rows-per-second={ROWS_PER_SECOND}" in PODS[CLIENT]["containers"][0]["args"]
    assert ROWS_PER_SECOND * parse_duration(monitor.spec.interval) >= 200


def test_a_slow_replica_is_slow_enough_for_the_threshold_that_the_story_tells_of() -> None:
    monitor = ModelMonitor.model_validate(only("ModelMonitor", MODEL))
    (metric,) = [one for one in monitor.spec.metrics if one.name == LATENCY]
    assert metric.threshold is not None
    assert metric.threshold.critical is not None
    assert parse_decimal(metric.threshold.critical) < SLOW_SECONDS
    told = in_words(monitor)
    assert f"{metric.threshold.critical} s for critical" in told
    assert f"below {metric.threshold.recover_at} s" in told
