"""Beside a service mesh: captured ports are the mesh's, only the pane port passes it."""

from typing import Any

import pytest

from modelmonitor.api.v1alpha1.collection import Source
from modelmonitor.core.injection.capture import Capture, WantedPort
from modelmonitor.injector.mutation import Outcome, mutate
from modelmonitor.injector.sidecar import CollectorImage
from tests.injector.conftest import MakePlan, MakePod, Pod
from tests.injector.patching import apply_patch

ISTIO = "traffic.sidecar.istio.io/excludeInboundPorts"
LINKERD = "config.linkerd.io/skip-inbound-ports"


def _after(flag: str, container: Pod) -> str:
    words: list[str] = container["args"]
    return words[words.index(flag) + 1]


@pytest.mark.parametrize(
    ("name", "flag", "annotation", "passing"),
    [
        ("istio-classic", "-d", ISTIO, "15090,15021,15020,24190"),
        ("linkerd-injected", "--inbound-ports-to-ignore", LINKERD, "4190,4191,4567,4568,24190"),
    ],
)
def test_where_the_mesh_was_first_its_list_is_extended_and_nothing_else_of_it(
    name: str,
    flag: str,
    annotation: str,
    passing: str,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
) -> None:
    before = pod(name)
    after = apply_patch(before, mutate(before, plan_for(before), collector).patch)
    init = after["spec"]["initContainers"][0]
    assert _after(flag, init) == passing
    assert after["metadata"]["annotations"][annotation] == "24190"
    init["args"] = before["spec"]["initContainers"][0]["args"]
    assert after["spec"]["initContainers"][:-1] == before["spec"]["initContainers"]
    proxies = [one for one in after["spec"]["containers"] if one["name"] == "istio-proxy"]
    assert proxies == [one for one in before["spec"]["containers"] if one["name"] == "istio-proxy"]


def _istio_comes(injected: Pod, template: Pod) -> None:
    """Do what Istio's webhook does to a pod that has our collector already."""
    for key in ("initContainers", "containers"):
        theirs = [one for one in template["spec"][key] if one["name"].startswith("istio-")]
        injected["spec"][key] = [*theirs, *injected["spec"][key]]
    injected["metadata"]["annotations"] |= template["metadata"]["annotations"]
    injected["metadata"]["labels"] |= template["metadata"]["labels"]
    model = injected["spec"]["containers"][-1]
    model["readinessProbe"]["httpGet"] = {"path": "/app-health/model/readyz", "port": 15020}


def test_a_mesh_that_comes_after_us_is_followed_once_at_the_second_call(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    mesh, plain = pod("istio-classic"), pod("istio-classic")
    plain["spec"] |= {"initContainers": [], "containers": plain["spec"]["containers"][1:]}
    plain["metadata"] |= {"labels": {"pod-template-hash": "7c9f8b5d4"}, "annotations": {}}
    first = mutate(plain, plan_for(plain), collector)
    body = apply_patch(plain, first.patch)
    assert ISTIO not in body["metadata"]["annotations"]
    _istio_comes(body, mesh)

    second = mutate(body, plan_for(body), collector)
    assert (second.outcome, second.reason) == (Outcome.UNTOUCHED, "MeshFollowed")
    followed = apply_patch(body, second.patch)
    assert _after("-d", followed["spec"]["initContainers"][0]) == "15090,15021,15020,24190"
    assert followed["metadata"]["annotations"][ISTIO] == "24190"
    collectors = [
        one for one in followed["spec"]["initContainers"] if one["name"] == "mm-collector"
    ]
    assert len(collectors) == 1
    assert followed["spec"]["containers"] == body["spec"]["containers"]

    third = mutate(followed, plan_for(followed), collector)
    assert (third.outcome, third.reason, third.patch) == (
        Outcome.UNTOUCHED,
        "AlreadyInjected",
        (),
    )


def test_containers_that_others_add_or_move_between_calls_do_no_harm(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    before = pod("mlserver")
    body = apply_patch(before, mutate(before, plan_for(before), collector).patch)
    body["spec"]["initContainers"] = [
        *reversed(body["spec"]["initContainers"]),
        {"name": "vault-agent", "image": "example.org/vault:1", "restartPolicy": "Always"},
    ]
    body["spec"]["containers"].reverse()
    again = mutate(body, plan_for(body), collector)
    assert (again.reason, again.patch) == ("AlreadyInjected", ())


def test_an_istio_that_intercepts_nothing_is_told_nothing(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    before = pod("istio-classic")
    before["metadata"]["annotations"]["traffic.sidecar.istio.io/includeInboundPorts"] = ""
    after = apply_patch(before, mutate(before, plan_for(before), collector).patch)
    assert after["spec"]["initContainers"][0] == before["spec"]["initContainers"][0]
    assert ISTIO not in after["metadata"]["annotations"]


def test_listed_ports_of_a_mesh_do_not_concern_events(
    pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body: Any = pod("istio-classic")
    body["metadata"]["annotations"]["traffic.sidecar.istio.io/includeInboundPorts"] = "8080"
    by_traffic, by_events = (
        mutate(body, plan_for(body, capture=Capture((WantedPort("http"),), source)), collector)
        for source in Source
    )
    assert by_traffic.reason == "MeshPorts"
    assert by_events.outcome is Outcome.INJECTED
