"""What a spec names and what the status says where it is not there: the reason and the fix."""

from typing import Any

import pytest

from modelmonitor.controller.gateways.api_server import (
    CONFIG_MAPS,
    MONITORS,
    NAMESPACES,
    NETWORK_POLICIES,
)
from modelmonitor.controller.gateways.errors import AccessDeniedError
from modelmonitor.core.baseline.profile import PROFILE_KEY
from modelmonitor.core.settings import Settings
from tests.controller.test_restarts import METRICS, PROFILE
from tests.controller.virtual import run
from tests.controller.world import IMAGE, NAMESPACE, RETRAINING, World, spec
from tests.support.kstatus import KStatus

BASELINE = {"type": "ConfigMap", "configMap": {"name": "baseline"}}
BROKEN_JOB: dict[str, Any] = {"template": {"spec": {"template": {"spec": {"containers": []}}}}}


def other_target(**changes: str) -> dict[str, Any]:
    return {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", **changes}}


@pytest.mark.parametrize(
    ("changes", "reason", "fix"),
    [
        (other_target(name="absent"), "TargetNotFound", "create it, or name another one"),
        (other_target(kind="DaemonSet"), "TargetKindUnsupported", "Deployment or StatefulSet"),
        (other_target(apiVersion="apps/v2"), "TargetKindUnsupported", "of apps/v1"),
        (
            {"collection": {"ports": [{"name": "grpc"}]}},
            "PortNotFound",
            "name the serving port grpc in the pod template",
        ),
        ({"metrics": METRICS}, "InvalidSpec", "baseline"),
        (
            {"metrics": METRICS, "baseline": BASELINE},
            "BaselineNotFound",
            "modelmonitor baseline apply",
        ),
        (
            {"retraining": {**RETRAINING, "job": BROKEN_JOB}},
            "JobTemplateInvalid",
            "spec.template.spec.containers: Required value",
        ),
        ({"interval": "1s"}, "InvalidSpec", "interval"),
    ],
)
def test_what_is_missing_stalls_the_monitor_with_the_fix_in_the_message(
    changes: dict[str, Any], reason: str, fix: str
) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec(**changes))
        process = world.start()
        await world.until(lambda: world.condition("Stalled") == ("True", reason))
        assert world.condition("Ready") == ("False", reason)
        assert fix in world.kstatus().message
        assert world.kstatus().status is KStatus.FAILED
        assert world.status()["observedGeneration"] == 1
        assert world.events() == ["Stalled"]
        await process.stop()

    run(story())


def test_a_namespace_without_the_label_is_told_how_to_get_it() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.cluster.put(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Stalled")[1] == "NamespaceNotEnabled")
        assert "kubectl label namespace models" in world.kstatus().message
        labels = {"labels": {"modelmonitor.dev/injection": "enabled"}}
        world.cluster.put(NAMESPACES, {"metadata": {"name": NAMESPACE, **labels}})
        await world.until(lambda: world.condition("Ready")[0] == "True", 16)
        await process.stop()

    run(story())


def network_policy(port: int | str) -> dict[str, Any]:
    return {
        "metadata": {"name": "allow-clients", "namespace": NAMESPACE},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": port}]}],
        },
    }


@pytest.mark.parametrize("injected", ["", "m"])
def test_a_policy_that_allows_the_port_by_number_stalls_the_monitor_until_it_names_the_port(
    injected: str,
) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1", monitor=injected)
        world.cluster.put(NETWORK_POLICIES, network_policy(8080))
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Stalled") == ("True", "CaptureImpossible"))
        assert world.condition("Ready") == ("False", "CaptureImpossible")
        assert world.condition("CollectorsReady") == ("False", "CaptureImpossible")
        assert world.kstatus().message == (
            "NetworkPolicy allow-clients allows port 8080 by number; collectors listen on 24180: "
            "write `port: http`, or allow 24180 too"
        )
        world.cluster.put(NETWORK_POLICIES, network_policy("http"))
        await world.until(lambda: world.condition("Ready")[0] == "True", 16)
        assert world.condition("CollectorsReady")[1] != "CaptureImpossible"
        await process.stop()

    run(story())


def test_a_policy_that_comes_after_the_collectors_is_noticed_within_a_minute() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("CollectorsReady")[1] == "AllInjected")
        world.cluster.put(NETWORK_POLICIES, network_policy(8080))
        await world.until(
            lambda: world.condition("CollectorsReady") == ("False", "CaptureImpossible"), 61
        )
        assert world.condition("Stalled") == ("True", "CaptureImpossible")
        await process.stop()

    run(story())


def test_without_the_right_to_list_policies_the_monitor_is_ready_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.cluster.put(NETWORK_POLICIES, network_policy(8080))
        world.monitor(spec())
        world.monitor(other_monitor_spec(), "other")
        world.deploy("other")
        process = world.start()
        process.api.refuse_list["NetworkPolicy"] = AccessDeniedError("networkpolicies is forbidden")
        await world.until(lambda: world.condition("Ready")[0] == "True")
        await world.until(lambda: world.condition("Ready", "other")[0] == "True")
        assert caplog.text.count("networkpolicies is forbidden") == 1
        await process.stop()

    run(story())


def other_monitor_spec() -> dict[str, Any]:
    return spec(**other_target(name="other"))


def test_monitors_in_the_operators_own_namespace_are_refused() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        own = Settings(namespace=NAMESPACE, pod_name="c-0", collector_image=IMAGE)
        process = world.start(settings=own)
        await world.until(lambda: world.condition("Stalled")[1] == "NamespaceForbidden")
        await process.stop()

    run(story())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "has no key profile.json"),
        ({PROFILE_KEY: "{}"}, "is not readable"),
        ({PROFILE_KEY: '{"rows": 1, "columns": []}'}, "columns: there are 0"),
    ],
)
def test_an_unusable_baseline_is_said_to_be_so(data: dict[str, str], words: str) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        metadata = {"name": "baseline", "namespace": NAMESPACE}
        world.cluster.put(CONFIG_MAPS, {"metadata": metadata, "data": data})
        world.monitor(spec(baseline=BASELINE))
        process = world.start()
        await world.until(lambda: world.condition("Stalled") == ("True", "BaselineInvalid"))
        assert words in world.kstatus().message
        await world.serve(3)
        errors, _ = world.status()["metrics"]
        assert errors["state"] == "OK"  # what needs no baseline is judged all the same
        world.baseline(PROFILE)
        await world.until(lambda: world.condition("Ready")[0] == "True", 16)
        assert world.status()["baseline"]["rows"] == PROFILE.rows
        await process.stop()

    run(story())


def test_a_seasonality_that_the_baseline_does_not_hold_is_named() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.baseline(PROFILE)
        world.monitor(spec(baseline={**BASELINE, "seasonality": "HourOfWeek"}))
        process = world.start()
        await world.until(lambda: world.condition("Stalled") == ("True", "BaselineInvalid"))
        assert "spec.baseline.seasonality is HourOfWeek" in world.kstatus().message
        assert "--seasonality HourOfWeek" in world.kstatus().message
        await process.stop()

    run(story())


def test_a_metric_whose_column_the_baseline_lacks_is_named() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.baseline(PROFILE)
        metric = {**METRICS[1], "distance": {"column": "humidity", "statistic": "PSI"}}
        world.monitor(spec(metrics=[metric], baseline=BASELINE))
        process = world.start()
        await world.until(lambda: world.condition("Stalled") == ("True", "BaselineInvalid"))
        assert "spec.metrics[temp-psi] names the column humidity" in world.kstatus().message
        await process.stop()

    run(story())


def test_the_oldest_monitor_of_a_target_wins_and_the_younger_takes_over() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec(), "younger")
        older = world.cluster.objects[MONITORS, NAMESPACE, "younger"]
        older["metadata"]["creationTimestamp"] = "2030-01-01T00:00:00Z"
        world.monitor(spec(), "m")
        process = world.start()
        await world.until(lambda: world.condition("Stalled", "younger")[1] == "Conflicted")
        assert "monitor m watches" in world.kstatus("younger").message
        assert world.condition("Ready", "m")[0] == "True"
        world.cluster.remove(MONITORS, NAMESPACE, "m")
        process.application.queue.add(process.application.states.keys()[0])
        await world.until(lambda: world.condition("Ready", "younger")[0] == "True", 5)
        await process.stop()

    run(story())


def test_monitors_of_different_models_cannot_share_a_target_because_a_pod_has_one_collector() -> (
    None
):
    async def story() -> None:
        world = World()
        world.deploy()
        for name in ("a", "b"):
            collection = {"ports": [{"name": "http"}], "model": {"name": name}}
            world.monitor(spec(collection=collection), name)
        process = world.start()
        await world.until(
            lambda: (
                [world.condition("Ready", name)[1] for name in ("a", "b")]
                == ["Succeeded", "Conflicted"]
            )
        )
        assert world.condition("Stalled", "b") == ("True", "Conflicted")
        message = world.kstatus("b").message
        assert "the older monitor a watches Deployment web" in message
        assert "one monitor per workload is supported so far" in message
        await process.stop()

    run(story())


def test_an_outage_of_the_api_server_is_waited_out_and_said() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Ready")[0] == "True")
        process.api.down = True
        await world.serve(3)
        process.api.down = False
        world.deploy(port="other")
        await world.until(lambda: world.condition("Ready")[0] == "False", 61)
        await process.stop()

    run(story())
