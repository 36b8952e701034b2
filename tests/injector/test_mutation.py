"""Pods of real servers get a collector, or stay as they are for a reason that says what to do."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from modelmonitor.api.v1alpha1.collection import Quantities
from modelmonitor.injector.mutation import Mutation, Outcome, mutate
from modelmonitor.injector.sidecar import CollectorImage
from tests.injector.conftest import MakePlan, MakePod, Pod
from tests.injector.patching import apply_patch

MANY = {"mlserver": ("http", "grpc"), "kserve": ("http",)}


def _readable(mutation: Mutation) -> bytes:
    return msgspec.json.format(msgspec.json.encode(mutation), indent=2) + b"\n"


@pytest.mark.parametrize(
    "name", ["mlserver", "istio", "linkerd", "guaranteed", "statefulset", "kserve"]
)
def test_golden_mutations_of_pods_as_they_come(
    name: str,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
    golden: Callable[[str, bytes], None],
) -> None:
    body = pod(name)
    mutation = mutate(body, plan_for(body, *MANY.get(name, ("http",))), collector)
    golden(f"injector/{name}.json", _readable(mutation))


@pytest.mark.parametrize("name", ["mlserver", "istio", "linkerd", "guaranteed", "statefulset"])
def test_a_second_call_for_the_same_pod_changes_nothing(
    name: str, pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod(name)
    first = mutate(body, plan_for(body), collector)
    assert first.outcome is Outcome.INJECTED
    second = mutate(apply_patch(body, first.patch), plan_for(body), collector)
    assert (second.outcome, second.reason, second.patch) == (
        Outcome.UNTOUCHED,
        "AlreadyInjected",
        (),
    )


def test_the_pod_given_is_not_changed(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("mlserver")
    before = deepcopy(body)
    mutate(body, plan_for(body, "http", "grpc"), collector)
    assert body == before


def _injected(body: Pod, plan_for: MakePlan, collector: CollectorImage, *ports: str) -> Pod:
    mutation = mutate(body, plan_for(body, *ports), collector)
    assert mutation.outcome is Outcome.INJECTED, mutation.message
    patched: Pod = apply_patch(body, mutation.patch)
    return patched


def test_names_of_ports_mean_the_collector_and_the_model_stays_where_it_was(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    before = pod("mlserver")
    after = _injected(before, plan_for, collector, "http", "grpc")
    shipper, model = after["spec"]["containers"]
    assert {port["name"]: port["containerPort"] for port in model["ports"]} == {
        "metrics": 8082,
        "http": 24180,
        "grpc": 24181,
        "mm-orig-0": 8080,
        "mm-orig-1": 8081,
    }
    assert model["startupProbe"]["httpGet"]["port"] == 8080
    assert model["readinessProbe"]["httpGet"]["port"] == 8080
    assert model["livenessProbe"]["tcpSocket"]["port"] == 8080
    assert model["lifecycle"]["postStart"]["httpGet"]["port"] == 8080
    assert model["lifecycle"]["preStop"]["tcpSocket"]["port"] == 8081
    assert shipper == before["spec"]["containers"][0]
    assert model["env"] == before["spec"]["containers"][1]["env"]


def test_fields_that_we_do_not_know_stay(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    before = pod("mlserver")
    after = _injected(before, plan_for, collector)
    assert after["spec"]["futureField"] == {"kept": True}
    ours = after["spec"]["initContainers"].pop()
    assert ours["name"] == "mm-collector"
    assert ours["restartPolicy"] == "Always"
    assert after["spec"]["initContainers"] == before["spec"]["initContainers"]
    assert after["spec"]["volumes"][:1] == before["spec"]["volumes"]


def test_the_collector_fits_the_restricted_level_and_has_no_token(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    after = _injected(pod("mlserver"), plan_for, collector)
    ours = after["spec"]["initContainers"][-1]
    assert ours["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    volumes = {volume["name"]: volume for volume in after["spec"]["volumes"]}
    token = [mount for mount in ours["volumeMounts"] if "serviceaccount" in mount["mountPath"]]
    assert [volumes[mount["name"]].keys() for mount in token] == [{"name", "emptyDir"}]


def test_a_pod_that_mounts_no_token_gets_no_volume_against_it(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    after = _injected(pod("istio"), plan_for, collector)
    assert [volume["name"] for volume in after["spec"]["volumes"]] == [
        "workload-socket",
        "mm-state",
    ]


def test_only_in_a_pod_of_root_the_collector_names_its_user(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    ours = _injected(pod("linkerd"), plan_for, collector)["spec"]["initContainers"][-1]
    assert ours["securityContext"]["runAsUser"] == 65532


def test_probes_that_the_mesh_has_rewritten_are_left_alone(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    before = pod("istio")
    after = _injected(before, plan_for, collector)
    assert (
        after["spec"]["containers"][0]["readinessProbe"]
        == (before["spec"]["containers"][0]["readinessProbe"])
    )
    assert after["spec"]["initContainers"][1] == before["spec"]["initContainers"][1]


def test_the_pane_port_passes_the_mesh_like_ports_that_already_do(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    istio = _injected(pod("istio"), plan_for, collector)["metadata"]["annotations"]
    assert istio["traffic.sidecar.istio.io/excludeInboundPorts"] == "8080,9999,24180,24190"
    linkerd = _injected(pod("linkerd"), plan_for, collector)["metadata"]["annotations"]
    assert linkerd["config.linkerd.io/skip-inbound-ports"] == "24190"


@pytest.mark.parametrize("name", ["mlserver", "guaranteed", "statefulset"])
def test_no_mesh_annotation_where_there_is_no_mesh(
    name: str, pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    annotations = _injected(pod(name), plan_for, collector)["metadata"]["annotations"]
    assert not [key for key in annotations if "istio" in key or "linkerd" in key]


def test_a_pod_that_opted_out_of_the_mesh_gets_no_mesh_annotation(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("mlserver")
    body["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    assert (
        "traffic.sidecar.istio.io/excludeInboundPorts"
        not in _injected(body, plan_for, collector)["metadata"]["annotations"]
    )


def _resources(body: Pod) -> Any:
    return body["spec"]["initContainers"][-1]["resources"]


def test_the_collector_has_no_cpu_limit(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    assert _resources(_injected(pod("mlserver"), plan_for, collector)) == {
        "requests": {"cpu": "50m", "memory": "96Mi"},
        "limits": {"memory": "256Mi"},
    }


def test_a_guaranteed_pod_stays_guaranteed_with_half_a_core_for_the_path(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    assert _resources(_injected(pod("guaranteed"), plan_for, collector)) == {
        "requests": {"cpu": "500m", "memory": "256Mi"},
        "limits": {"cpu": "500m", "memory": "256Mi"},
    }
    body = pod("guaranteed")
    plan = plan_for(body, requests=Quantities(cpu="0.75", memory="96Mi"))
    assert _resources(apply_patch(body, mutate(body, plan, collector).patch)) == {
        "requests": {"cpu": "0.75", "memory": "256Mi"},
        "limits": {"cpu": "0.75", "memory": "256Mi"},
    }


def test_a_limit_below_the_request_is_raised_to_it(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("mlserver")
    plan = plan_for(body, requests=Quantities(memory="1Gi"), limits=Quantities(memory="256Mi"))
    assert _resources(apply_patch(body, mutate(body, plan, collector).patch)) == {
        "requests": {"memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }


def test_amounts_that_are_none_leave_the_pod_as_it_is(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("mlserver")
    plan = plan_for(body, requests=Quantities.model_construct(cpu="much", memory=None))
    mutation = mutate(body, plan, collector)
    assert (mutation.outcome, mutation.reason) == (Outcome.UNTOUCHED, "InvalidResources")
    assert "'much' is not a quantity" in mutation.message


def test_the_environment_holds_the_joint_with_the_collector(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    ours = _injected(pod("mlserver"), plan_for, collector, "http", "grpc")["spec"][
        "initContainers"
    ][-1]
    values = {entry["name"]: entry.get("value") for entry in ours["env"]}
    assert values["MM_MONITOR"] == "models/flight-delay"
    assert values["MM_MONITOR_UID"] == "b5c1"
    assert values["MM_PORTS"] == "http=24180:8080,grpc=24181:8081"
    assert values["MM_ROOT_KEYS"] == "cm9vdA"


@pytest.mark.parametrize(
    ("name", "label"),
    [("mlserver", "pod-template-hash"), ("statefulset", "controller-revision-hash")],
)
def test_the_revision_comes_from_the_label_of_the_workload(
    name: str, label: str, pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    ours = _injected(pod(name), plan_for, collector)["spec"]["initContainers"][-1]
    paths = {
        entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"]
        for entry in ours["env"]
        if "valueFrom" in entry
    }
    assert paths == {
        "MM_POD_NAME": "metadata.name",
        "MM_POD_UID": "metadata.uid",
        "MM_REVISION": f"metadata.labels['{label}']",
    }


def _without_name(body: Pod) -> None:
    for port in body["spec"]["containers"][1]["ports"]:
        port.pop("name")


def _with_udp(body: Pod) -> None:
    body["spec"]["containers"][1]["ports"][1]["protocol"] = "UDP"


def _on_host_network(body: Pod) -> None:
    body["spec"]["hostNetwork"] = True


def _on_windows(body: Pod) -> None:
    body["spec"]["os"] = {"name": "windows"}


def _on_windows_nodes(body: Pod) -> None:
    body["spec"]["nodeSelector"] = {"kubernetes.io/os": "windows"}


def _with_queue_proxy(body: Pod) -> None:
    body["spec"]["containers"].append({"name": "queue-proxy", "image": "example.org/queue:1"})


def _with_kserve_agent_to_come(body: Pod) -> None:
    body["metadata"]["labels"]["serving.kserve.io/inferenceservice"] = "flight-delay"
    body["metadata"]["annotations"]["internal.serving.kserve.io/batcher"] = "true"


def _with_our_pane_port(body: Pod) -> None:
    body["spec"]["containers"][0]["ports"][0]["containerPort"] = 24190


def _with_our_captured_port(body: Pod) -> None:
    body["spec"]["initContainers"][0]["ports"] = [{"containerPort": 24180}]


def _with_budget_of_the_pod(body: Pod) -> None:
    body["spec"]["resources"] = {"limits": {"cpu": "1"}}


def _with_listed_mesh_ports(body: Pod) -> None:
    body["metadata"]["annotations"]["traffic.sidecar.istio.io/includeInboundPorts"] = "8080"


def _with_our_volume_name(body: Pod) -> None:
    body["spec"]["volumes"].append({"name": "mm-state", "emptyDir": {}})


@pytest.mark.parametrize(
    ("change", "reason", "fix"),
    [
        (_without_name, "PortNotFound", "name the serving port http in the pod template"),
        (_with_udp, "PortNotFound", "no container has a TCP port named http"),
        (_on_host_network, "HostNetwork", "remove hostNetwork from the pod template"),
        (_on_windows, "Windows", "serve the model on Linux nodes"),
        (_on_windows_nodes, "Windows", "serve the model on Linux nodes"),
        (_with_queue_proxy, "QueueProxy", "set takeover.type of port http to UserPort"),
        (_with_kserve_agent_to_come, "KServeAgent", "remove logger and batcher"),
        (_with_our_pane_port, "PortConflict", "container metrics-shipper uses port 24190"),
        (_with_our_captured_port, "PortConflict", "init container fetch-model uses port 24180"),
        (_with_budget_of_the_pod, "PodLevelResources", "set resources per container"),
        (_with_listed_mesh_ports, "MeshPorts", "add 24180 to it"),
        (_with_our_volume_name, "VolumeConflict", "rename the volume"),
    ],
)
def test_a_pod_that_cannot_be_captured_stays_as_it_is_and_the_message_says_what_to_do(
    change: Callable[[Pod], None],
    reason: str,
    fix: str,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
) -> None:
    body = pod("mlserver")
    change(body)
    mutation = mutate(body, plan_for(body), collector)
    assert (mutation.outcome, mutation.reason, mutation.patch) == (
        Outcome.UNTOUCHED,
        reason,
        (),
    )
    assert fix in mutation.message


def test_listed_mesh_ports_that_hold_ours_are_no_obstacle(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod("istio")
    body["metadata"]["annotations"]["traffic.sidecar.istio.io/includeInboundPorts"] = "8080,24180"
    assert mutate(body, plan_for(body), collector).outcome is Outcome.INJECTED


def test_an_empty_pod_raises_nothing(plan_for: MakePlan, collector: CollectorImage) -> None:
    plan = plan_for({"metadata": {}})
    assert mutate({}, plan, collector).reason == "PortNotFound"
    bare = {"metadata": None, "spec": {"containers": [{"ports": None}], "initContainers": None}}
    assert mutate(bare, plan, collector).reason == "PortNotFound"
