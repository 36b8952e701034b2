"""Traffic comes to the collector by other ways than the port's name, or the pod stays as it is."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from modelmonitor.api.v1alpha1.collection import TakeoverType
from modelmonitor.collector.environment import environment_from
from modelmonitor.core.injection.capture import Capture, WantedPort
from modelmonitor.injector.mutation import Mutation, Outcome, mutate
from modelmonitor.injector.sidecar import CollectorImage
from tests.injector.conftest import MakePlan, MakePod, Pod
from tests.injector.memory import ROOT_KEY
from tests.injector.patching import apply_patch
from tests.injector.takeovers import (
    BY_ARGUMENT,
    BY_EVENTS,
    BY_USER_PORT,
    BY_VARIABLES,
    CASES,
    swap,
)


@pytest.fixture
def taken_over(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> Callable[[str, Capture], tuple[Pod, Mutation]]:
    """Return a maker of the mutated pod of a file."""

    def take(name: str, capture: Capture) -> tuple[Pod, Mutation]:
        body = pod(name)
        mutation = mutate(body, plan_for(body, capture=capture), collector)
        assert mutation.outcome is Outcome.INJECTED, mutation.message
        return apply_patch(body, mutation.patch), mutation

    return take


TakenOver = Callable[[str, Capture], tuple[Pod, Mutation]]


@pytest.mark.parametrize("case", CASES)
def test_golden_mutations(
    case: str, taken_over: TakenOver, golden: Callable[[str, bytes], None]
) -> None:
    _, mutation = taken_over(*CASES[case])
    readable = msgspec.json.format(msgspec.json.encode(mutation), indent=2) + b"\n"
    golden(f"injector/{case}.json", readable)


@pytest.mark.parametrize("case", CASES)
def test_a_second_call_changes_nothing(
    case: str, taken_over: TakenOver, plan_for: MakePlan, collector: CollectorImage
) -> None:
    after, _ = taken_over(*CASES[case])
    again = mutate(after, plan_for(after, capture=CASES[case][1]), collector)
    assert (again.outcome, again.reason, again.patch) == (
        Outcome.UNTOUCHED,
        "AlreadyInjected",
        (),
    )


def variables(container: Pod) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}


def test_by_swap_the_collector_has_the_number_and_the_model_another_one(
    taken_over: TakenOver,
) -> None:
    after, _ = taken_over("kserve-standard", BY_ARGUMENT)
    model, ours = after["spec"]["containers"][0], after["spec"]["initContainers"][-1]
    assert model["args"][-1] == "--http_port=24280"
    assert variables(ours)["MM_PORTS"] == "http1=8080:24280"
    assert ours["startupProbe"]["tcpSocket"]["port"] == 8080
    # The name stays with the model's container: Services look for it there.
    assert model["ports"] == [
        {"name": "http1", "containerPort": 8080, "protocol": "TCP"},
        {"name": "mm-moved-0", "containerPort": 24280, "protocol": "TCP"},
    ]
    assert {"containerPort": 8080, "protocol": "TCP"} in ours["ports"]


def test_by_swap_probes_go_on_asking_the_model(taken_over: TakenOver) -> None:
    after, _ = taken_over("kserve-standard", BY_ARGUMENT)
    model = after["spec"]["containers"][0]
    assert model["startupProbe"]["grpc"]["port"] == 24280
    assert model["readinessProbe"]["tcpSocket"]["port"] == 24280
    assert model["livenessProbe"]["httpGet"]["port"] == 24280
    assert model["lifecycle"]["preStop"]["httpGet"]["port"] == 8080  # another host's


def test_several_ports_are_swapped_by_a_variable_each(taken_over: TakenOver) -> None:
    after, _ = taken_over("mlserver", BY_VARIABLES)
    told = variables(after["spec"]["containers"][1])
    assert told == {"MLSERVER_HTTP_PORT": "24280", "MLSERVER_GRPC_PORT": "24281"}
    ours = after["spec"]["initContainers"][-1]
    assert variables(ours)["MM_PORTS"] == "http=8080:24280,grpc=8081:24281"


def test_queue_proxy_is_pointed_at_the_collector_and_the_model_is_untouched(
    taken_over: TakenOver, pod: MakePod
) -> None:
    after, _ = taken_over("knative", BY_USER_PORT)
    model, proxy = after["spec"]["containers"]
    assert model == pod("knative")["spec"]["containers"][0]
    told = variables(proxy)
    assert told["USER_PORT"] == "24180"
    assert '"port":24180' in told["SERVING_READINESS_PROBE"]
    ours = after["spec"]["initContainers"][-1]
    assert variables(ours)["MM_PORTS"] == "user-port=24180:8080"


def test_events_need_no_port_and_stand_beside_kserves_agent(
    taken_over: TakenOver, pod: MakePod
) -> None:
    after, mutation = taken_over("kserve", BY_EVENTS)
    assert mutation.message == "captured: CloudEvents on 24189"
    assert after["spec"]["containers"] == pod("kserve")["spec"]["containers"]
    ours = after["spec"]["initContainers"][-1]
    assert variables(ours)["MM_EVENTS"] == "1"
    assert variables(ours)["MM_PORTS"] == "http=24189:24189"  # the name is all that counts
    assert ours["startupProbe"]["tcpSocket"]["port"] == 24190
    assert [port["containerPort"] for port in ours["ports"]] == [24190]


@pytest.mark.parametrize(
    ("case", "listens", "events"),
    [
        ("swap-argument", {8080: 24280}, None),
        ("swap-variables", {8080: 24280, 8081: 24281}, None),
        ("user-port", {24180: 8080}, None),
        ("cloud-events", {}, 24189),
    ],
)
def test_the_collector_reads_what_the_injector_wrote(
    case: str, listens: dict[int, int], events: int | None, taken_over: TakenOver
) -> None:
    after, _ = taken_over(*CASES[case])
    told = variables(after["spec"]["initContainers"][-1]) | {
        "MM_POD_UID": "u1",  # of the pod, by the downward API
        "MM_ROOT_KEYS": ROOT_KEY,
    }
    environment = environment_from(told)
    assert {port.listen: port.upstream for port in environment.captured} == listens
    assert environment.events_port == events
    assert environment.port_names == CASES[case][1].names


def _port_80(body: Pod) -> None:
    body["spec"]["containers"][0]["ports"][0]["containerPort"] = 80
    body["spec"]["containers"][0]["args"][-1] = "--http_port=80"


def _without_argument(body: Pod) -> None:
    body["spec"]["containers"][0]["args"].pop()


def _moved_port_taken(body: Pod) -> None:
    body["spec"]["containers"][0]["ports"].append({"containerPort": 24280})


@pytest.mark.parametrize(
    ("change", "reason", "fix"),
    [
        (_port_80, "PrivilegedPort", "take takeover Renumber"),
        (_without_argument, "SwapImpossible", "write --http_port=8080 into its args"),
        (_moved_port_taken, "PortConflict", "uses port 24280"),
    ],
)
def test_a_swap_that_is_not_safe_is_refused(
    change: Callable[[Pod], None],
    reason: str,
    fix: str,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
) -> None:
    body = pod("kserve-standard")
    change(body)
    mutation = mutate(body, plan_for(body, capture=BY_ARGUMENT), collector)
    assert (mutation.outcome, mutation.reason, mutation.patch) == (Outcome.UNTOUCHED, reason, ())
    assert fix in mutation.message


def test_a_low_port_is_swapped_where_the_pod_frees_it(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("kserve-standard")
    _port_80(body)
    sysctl = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
    body["spec"]["securityContext"] = {"sysctls": [sysctl]}
    mutation = mutate(body, plan_for(body, capture=BY_ARGUMENT), collector)
    assert mutation.outcome is Outcome.INJECTED


def test_two_names_of_one_number_are_not_swapped(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("linkerd")
    both = Capture((swap("http", variable="PORT"), WantedPort("admin")))
    mutation = mutate(body, plan_for(body, capture=both), collector)
    assert mutation.reason == "SwapImpossible"
    assert "http and admin are both 9000" in mutation.message


@pytest.mark.parametrize(
    ("name", "capture", "reason", "fix"),
    [
        ("knative", Capture((WantedPort("user-port"),)), "QueueProxy", "to UserPort"),
        ("knative", BY_ARGUMENT, "QueueProxy", "to UserPort"),
        (
            "knative",
            Capture((WantedPort("http", TakeoverType.USER_PORT),)),
            "PortNotFound",
            "8080 user-port",
        ),
        ("kserve-standard", BY_USER_PORT, "NoQueueProxy", "Swap where it is a number"),
        ("kserve", Capture((WantedPort("http"),)), "KServeAgent", "source to CloudEvents"),
    ],
)
def test_the_obstacle_names_the_way_that_there_is(
    name: str,
    capture: Capture,
    reason: str,
    fix: str,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
) -> None:
    body = pod(name)
    mutation = mutate(body, plan_for(body, capture=capture), collector)
    assert (mutation.outcome, mutation.reason) == (Outcome.UNTOUCHED, reason)
    assert fix in mutation.message


def test_a_queue_proxy_that_another_proxy_has_taken_over_is_left_alone(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("knative")
    body["spec"]["containers"][1]["env"][-1]["value"] = "9081"
    mutation = mutate(body, plan_for(body, capture=BY_USER_PORT), collector)
    assert (mutation.outcome, mutation.reason) == (Outcome.UNTOUCHED, "QueueProxy")
    assert "forwards to 9081, not to 8080" in mutation.message


def test_a_queue_proxy_among_the_init_containers_is_left_alone(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("knative")
    body["spec"]["initContainers"] = [body["spec"]["containers"].pop()]
    mutation = mutate(body, plan_for(body, capture=BY_USER_PORT), collector)
    assert (mutation.outcome, mutation.reason) == (Outcome.UNTOUCHED, "QueueProxy")
    assert "is no regular container" in mutation.message


def _on_events_port(body: Pod) -> None:
    body["spec"]["containers"][0]["ports"].append({"containerPort": 24189})


def _on_host_network(body: Pod) -> None:
    body["spec"]["hostNetwork"] = True


@pytest.mark.parametrize(
    ("change", "reason"), [(_on_events_port, "PortConflict"), (_on_host_network, "HostNetwork")]
)
def test_events_need_their_own_ports_free(
    change: Callable[[Pod], Any],
    reason: str,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
) -> None:
    body = pod("kserve")
    change(body)
    assert mutate(body, plan_for(body, capture=BY_EVENTS), collector).reason == reason
