"""What a person is told before a workload is watched."""

from typing import Any

import pytest

from modelmonitor.api.v1alpha1.collection import Quantities, Source, TakeoverType
from modelmonitor.core.injection.capture import Capture, WantedPort
from modelmonitor.core.injection.network_policies import NetworkPolicy, parse_network_policy
from modelmonitor.core.injection.preflight import Candidate, Finding, Level, Surroundings, preflight
from modelmonitor.core.injection.takeover import Knob

LABELS = {"app": "model"}
HTTP = WantedPort("http")
RENUMBERED = (
    "the name is given to the collector on 24180, which forwards to the model on 8080; the model "
    "is not changed"
)
ENABLED = {"labels": {"modelmonitor.dev/injection": "enabled"}}


def container(**changes: Any) -> dict[str, Any]:
    return {
        "name": "model",
        "args": ["--http_port=8080"],
        "ports": [{"name": "http", "containerPort": 8080}],
    } | changes


def candidate(*containers: dict[str, Any], port: WantedPort = HTTP, **changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "namespace": "models",
        "metadata": {"labels": LABELS},
        "spec": {"containers": list(containers or [container()])},
        "pods": 3,
        "capture": Capture((port,)),
        "requests": Quantities(cpu="50m", memory="96Mi"),
        "limits": Quantities(memory="256Mi"),
        "monitor": "flight-delay",
    }
    return Candidate(**(values | changes))


SWAP = WantedPort("http", TakeoverType.SWAP, Knob(argument="--http_port"))


def service(target: Any, name: str = "model", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": target}] if target is not None else [{"port": 8080}]
    return {"metadata": {"name": name}, "spec": {"selector": LABELS, "ports": ports} | spec}


def found(one: Candidate, subject: str, **around: Any) -> list[tuple[Level, str]]:
    findings = preflight(one, Surroundings(**({"namespace": ENABLED} | around)))
    return [(each.level, each.message) for each in findings if subject in each.subject]


def problems(one: Candidate, **around: Any) -> list[Finding]:
    findings = preflight(one, Surroundings(**({"namespace": ENABLED} | around)))
    return [each for each in findings if each.level is Level.PROBLEM]


def test_a_workload_as_it_should_be_has_no_problem() -> None:
    one = candidate(container(readinessProbe={"httpGet": {"port": "http"}}))
    findings = preflight(one, Surroundings(namespace=ENABLED, services=[service("http")]))
    assert {each.level for each in findings} == {Level.OK}
    said = [f"{each.subject}: {each.message}" for each in findings]
    assert said == [
        "Namespace models: enables injection",
        f"port http: {RENUMBERED}",
        "Service model: reaches the collector by the name http",
        "container model: its readinessProbe goes on asking the model itself, by the number 8080",
        "resources: each collector asks for cpu 50m, memory 96Mi",
    ]


def test_a_namespace_without_the_label_is_a_problem_with_a_command() -> None:
    ((level, message),) = found(candidate(), "Namespace", namespace={"labels": None})
    assert level is Level.PROBLEM
    assert "kubectl label namespace models modelmonitor.dev/injection=enabled" in message
    assert found(candidate(), "Namespace", namespace=None)[0][0] is Level.NOTE


def test_pod_security_is_met_at_every_level() -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"} | ENABLED["labels"]
    (_, (level, message)) = found(candidate(), "Namespace", namespace={"labels": labels})
    assert level is Level.OK
    assert "enforces Pod Security restricted" in message


def test_an_obstacle_is_told_once_and_with_its_word() -> None:
    one = candidate(spec={"hostNetwork": True, "containers": [container()]})
    (problem,) = problems(one)
    assert problem.subject == "pod template: HostNetwork"
    assert "remove hostNetwork" in problem.message


@pytest.mark.parametrize("target", [8080, None])
def test_a_service_by_number_passes_the_collector_by(target: int | None) -> None:
    ((level, message),) = found(candidate(), "Service", services=[service(target)])
    assert level is Level.PROBLEM
    assert "write `targetPort: http`, or set takeover.type of port http to Swap" in message


def test_by_swap_numbers_and_names_reach_the_collector() -> None:
    services = [service(8080), service("http", "named")]
    findings = found(candidate(port=SWAP), "Service", services=services)
    assert [level for level, _ in findings] == [Level.OK, Level.OK]
    assert found(candidate(port=SWAP), "port http") == [
        (
            Level.OK,
            "the collector listens on 8080, and --http_port tells the model to listen on 24280",
        )
    ]


def test_clients_of_a_headless_service_are_a_note() -> None:
    headless = service(8080, clusterIP="None")
    ((level, message),) = found(candidate(), "Service", services=[headless])
    assert level is Level.NOTE
    assert "is headless" in message


@pytest.mark.parametrize(
    "other",
    [
        service("metrics"),
        service(9090),
        service("http", selector={"app": "other"}),
        service("http", selector=None),
        service("http", selector={"app": "model", "tier": "x"}),
    ],
)
def test_services_of_other_ports_and_pods_say_nothing(other: dict[str, Any]) -> None:
    assert [level for level, _ in found(candidate(), "Service", services=[other])] == [Level.NOTE]


def test_a_probe_by_command_is_worth_knowing_where_the_number_changes_hands() -> None:
    probed = container(livenessProbe={"exec": {"command": ["curl", "localhost:8080"]}})
    assert found(candidate(probed), "container") == []
    ((level, message),) = found(candidate(probed, port=SWAP), "container")
    assert level is Level.NOTE
    assert "livenessProbe" in message


def test_scrapes_that_would_count_as_traffic_are_a_note() -> None:
    metadata = {"labels": LABELS, "annotations": {"prometheus.io/port": "8080"}}
    notes = found(candidate(port=SWAP, metadata=metadata), "port http")
    assert [level for level, _ in notes] == [Level.OK, Level.NOTE]
    assert "scrapes count as traffic" in notes[1][1]
    assert len(found(candidate(metadata=metadata), "port http")) == 1


def test_a_hook_is_named() -> None:
    hooked = container(lifecycle={"preStop": {"httpGet": {"port": "http"}}})
    ((_, message),) = found(candidate(hooked), "container")
    assert message.startswith("its preStop goes on asking")


def policy(*rules: dict[str, Any]) -> NetworkPolicy | None:
    return parse_network_policy(
        {"metadata": {"name": "web"}, "spec": {"podSelector": {}, "ingress": list(rules)}}
    )


def test_a_policy_by_number_and_one_without_the_pane_port_are_problems() -> None:
    ((_, by_number), (_, panes)) = found(
        candidate(), "NetworkPolicy", policies=[policy({"ports": [{"port": 8080}]})]
    )
    assert "allows port 8080 by number" in by_number
    assert "allow port 24190 from the operator's namespace" in panes


def test_by_swap_a_policy_by_number_goes_on_holding() -> None:
    rules = policy({"ports": [{"port": 8080}]}, {"ports": [{"port": "mm-panes"}], "from": [{}]})
    assert found(candidate(port=SWAP), "NetworkPolicy", policies=[rules]) == [
        (Level.OK, "lets somebody in on 24190")
    ]


def test_the_budget_of_the_namespace_is_looked_at() -> None:
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"cpu": "100m"}}}
    (problem,) = problems(candidate(), quotas=[quota])
    assert problem.subject == "ResourceQuota team"
    assert problems(candidate(pods=2), quotas=[quota]) == []
    bad = candidate(requests=Quantities.model_construct(cpu="much", memory=None))
    assert "'much' is not a quantity" in problems(bad)[0].message


@pytest.mark.parametrize(
    ("template", "namespace", "meshed"),
    [
        ({}, {}, False),
        ({}, {"istio-injection": "enabled"}, True),
        ({"sidecar.istio.io/inject": "false"}, {"istio-injection": "enabled"}, False),
        ({"sidecar.istio.io/inject": "true"}, {}, True),
        ({"linkerd.io/inject": "enabled"}, {}, True),
        ({"linkerd.io/inject": "disabled"}, {}, False),
        ({}, {"istio-injection": "disabled"}, False),
    ],
)
def test_a_mesh_is_noticed_by_its_marks(
    template: dict[str, str], namespace: dict[str, str], meshed: bool
) -> None:
    one = candidate(metadata={"labels": LABELS | template})
    assert bool(found(one, "mesh", namespace={"labels": namespace})) is meshed


@pytest.mark.parametrize("place", ["template", "namespace"])
def test_ambient_mode_needs_an_exception_that_only_a_person_can_make(place: str) -> None:
    ambient = {"istio.io/dataplane-mode": "ambient"}
    template, namespace = (ambient, {}) if place == "template" else ({}, ambient)
    one = candidate(metadata={"labels": LABELS | template})
    ((level, message),) = found(one, "mesh", namespace={"labels": namespace})
    assert level is Level.NOTE
    assert "allow plain text on 24190" in message
    left = candidate(metadata={"labels": LABELS | {"istio.io/dataplane-mode": "none"}})
    assert found(left, "mesh", namespace={"labels": ambient}) == []


def test_events_need_no_service() -> None:
    one = candidate(capture=Capture((WantedPort("http"),), Source.CLOUD_EVENTS))
    assert found(one, "Service", services=[service(8080)]) == []
    assert found(one, "events")[0][0] is Level.OK


def test_behind_queue_proxy_services_are_knatives_own() -> None:
    proxy = {"name": "queue-proxy", "env": [{"name": "USER_PORT", "value": "8080"}]}
    port = WantedPort("http", TakeoverType.USER_PORT)
    one = candidate(container(), proxy, port=port)
    assert found(one, "Service", services=[service(8012)]) == []
    assert found(one, "port http")[0][1].startswith("queue-proxy is pointed at the collector")
