"""The condition CollectorsReady says how many pods carry a collector and what to do about it."""

from dataclasses import replace
from typing import Any

import pytest

from modelmonitor.api.v1alpha1.status import BreakerState, InjectionStatus
from modelmonitor.core.injection.capture import CaptureObstacle, Obstacle
from modelmonitor.core.injection.coverage import Coverage, CoverageView, judge_coverage
from modelmonitor.core.injection.pods import CollectorView, PodView
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.times import format_time, parse_time

CREATED = parse_time("2026-01-31T12:00:00Z")
IMAGE = "example.org/collector:2"
OBSTACLE = CaptureObstacle(
    Obstacle.PORT_NOT_FOUND, "no container has a TCP port named http: name it"
)


def plain(name: str, *, created: float = CREATED - 100, **changes: Any) -> PodView:
    view = PodView(
        name=name, uid=name, created=created, workload=Workload("Deployment", "m"), ready=True
    )
    return replace(view, **changes)


def injected(name: str, image: str = IMAGE, **changes: Any) -> PodView:
    return plain(
        name,
        created=CREATED + 100,
        collector=CollectorView(image, started=True),
        monitor="flight",
    ) if not changes else replace(injected(name, image), **changes)  # fmt: skip


def breaker(state: BreakerState, since: float = CREATED + 50) -> InjectionStatus:
    return InjectionStatus(
        breaker=state,
        reason="ImageUnavailable",
        message="pod m-0 waits for its collector",
        since=format_time(since),
        image=IMAGE,
        generation=1,
        retry_at=format_time(since + 600) if state is BreakerState.OPEN else None,
    )


def judge(*pods: PodView, **changes: Any) -> Coverage:
    values: dict[str, Any] = {
        "namespace": "models",
        "monitor": "flight",
        "uid": "u1",
        "created": CREATED,
        "workload": Workload("Deployment", "m"),
        "pods": pods,
        "template_obstacle": None,
        "network_obstacle": None,
        "namespace_enabled": True,
        "suspended": False,
        "injection": None,
        "image": IMAGE,
        "reachable": 0,
    }
    return judge_coverage(CoverageView(**(values | changes)))


def told(coverage: Coverage) -> tuple[str, str, str]:
    condition = coverage.condition
    return condition.status.value, condition.reason.value, condition.message


def test_all_pods_carry_a_collector() -> None:
    coverage = judge(injected("m-0"), injected("m-1"), reachable=2)
    assert told(coverage) == ("True", "AllInjected", "2 of 2 pods carry a collector")
    assert coverage.counts.to_wire() == {
        "matched": 2,
        "injected": 2,
        "reachable": 2,
        "outdated": 0,
    }
    assert coverage.missed == ()


def test_pods_older_than_the_monitor_wait_for_their_recreation() -> None:
    coverage = judge(injected("m-0"), plain("m-1"), plain("m-2"))
    assert told(coverage) == (
        "False",
        "AwaitingRecreation",
        "1 of 3 pods carries a collector; run `kubectl rollout restart deployment/m -n models`",
    )
    assert [(pod.name, pod.reason.value) for pod in coverage.missed] == [
        ("m-1", "AwaitingRecreation"),
        ("m-2", "AwaitingRecreation"),
    ]


def test_pods_that_are_leaving_or_have_ended_do_not_count() -> None:
    coverage = judge(injected("m-0"), plain("m-1", deleting=True), plain("m-2", ended=True))
    assert told(coverage)[1] == "AllInjected"
    assert coverage.counts.matched == 1


def test_a_pod_that_should_have_been_injected_points_at_the_injector() -> None:
    coverage = judge(injected("m-0"), plain("m-1"), plain("m-2", created=CREATED + 60))
    status, reason, message = told(coverage)
    assert (status, reason) == ("False", "NotInjected")
    assert message.startswith("1 of 3 pods carries a collector; m-2: it was created after")
    assert "look at the injector's pods and log" in message
    assert message.endswith("then run `kubectl rollout restart deployment/m -n models`")
    assert [pod.reason.value for pod in coverage.missed] == ["AwaitingRecreation", "NotInjected"]


def test_a_pod_of_the_monitors_first_seconds_may_have_come_too_early() -> None:
    assert told(judge(plain("m-0", created=CREATED + 3)))[1] == "AwaitingRecreation"


def test_pods_that_started_while_injection_was_paused_wait_for_their_recreation() -> None:
    closed = breaker(BreakerState.CLOSED, since=CREATED + 500)
    coverage = judge(plain("m-0", created=CREATED + 200), injection=closed)
    assert told(coverage)[1] == "AwaitingRecreation"
    coverage = judge(plain("m-0", created=CREATED + 600), injection=closed)
    assert told(coverage)[1] == "NotInjected"


@pytest.mark.parametrize("pods", [(plain("m-0"),), (injected("m-0"), plain("m-1"))])
def test_a_namespace_without_the_label_gets_the_command(pods: tuple[PodView, ...]) -> None:
    status, reason, message = told(judge(*pods, namespace_enabled=False))
    assert (status, reason) == ("False", "NamespaceNotEnabled")
    assert "`kubectl label namespace models modelmonitor.dev/injection=enabled`" in message


def test_an_obstacle_in_the_pods_is_told_with_its_fix() -> None:
    coverage = judge(plain("m-0", obstacle=OBSTACLE, created=CREATED + 60))
    assert told(coverage) == (
        "False",
        "CaptureImpossible",
        "0 of 1 pods carry a collector; no container has a TCP port named http: name it",
    )


@pytest.mark.parametrize("pods", [(), (plain("m-0"),), (injected("m-0"),)])
@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_a_pause_is_told_with_its_cause_whatever_the_pods(
    pods: tuple[PodView, ...], state: BreakerState
) -> None:
    status, reason, message = told(judge(*pods, injection=breaker(state)))
    assert (status, reason) == ("False", "InjectionPaused")
    assert "pod m-0 waits for its collector" in message
    assert ("one pod is tried again at 2026-01-31T12:10:50Z" in message) is (
        state is BreakerState.OPEN
    )


def test_the_pod_on_trial_is_named() -> None:
    trial = breaker(BreakerState.HALF_OPEN).model_copy(update={"trial_pod": "m-7"})
    assert told(judge(plain("m-0"), injection=trial))[2].endswith("; pod m-7 is on trial")


def test_what_the_operator_does_itself_takes_the_place_of_the_command() -> None:
    words = "the operator restarts it"
    assert told(judge(injected("m-0"), plain("m-1"), restart=words))[2] == (
        "1 of 2 pods carries a collector; the operator restarts it"
    )
    late = plain("m-1", created=CREATED + 60)
    message = told(judge(late, restart=words))[2]
    assert message.endswith("; the operator restarts it")
    assert "kubectl rollout restart" not in message


@pytest.mark.parametrize("image", [IMAGE, "example.org/collector:1"])
def test_ports_are_told_with_the_protocols_of_much_of_their_traffic(image: str) -> None:
    seen = ["http: OpenInference (51%), JSON (40%), MLflow (9%)", "grpc: OpenInference (100%)"]
    assert told(judge(injected("m-0", image), protocols=seen))[2].endswith(
        "; http: JSON, OpenInference; grpc: OpenInference"
    )


def test_a_suspended_monitor_explains_pods_without_a_collector() -> None:
    assert told(judge(plain("m-0"), suspended=True))[1] == "Suspended"


def test_without_pods_the_template_tells_what_would_happen() -> None:
    assert told(judge()) == ("Unknown", "NoPods", "the target has no pods")
    assert told(judge(template_obstacle=OBSTACLE))[:2] == ("False", "CaptureImpossible")
    assert told(judge(namespace_enabled=False))[:2] == ("False", "NamespaceNotEnabled")


@pytest.mark.parametrize("pods", [(), (plain("m-0"),), (injected("m-0"),)])
def test_a_policy_that_cuts_collectors_off_is_told_whatever_the_pods(
    pods: tuple[PodView, ...],
) -> None:
    policy = CaptureObstacle(Obstacle.NETWORK_POLICY, "NetworkPolicy web allows 8080 by number")
    status, reason, message = told(judge(*pods, network_obstacle=policy))
    assert (status, reason) == ("False", "CaptureImpossible")
    assert message.endswith("NetworkPolicy web allows 8080 by number")


def test_collectors_that_have_not_started_are_not_ready() -> None:
    starting = injected("m-1", collector=CollectorView(IMAGE), ready=False)
    assert told(judge(injected("m-0"), starting)) == (
        "False",
        "CollectorsStarting",
        "2 of 2 pods carry a collector, of which 1 have not started, for example m-1",
    )


def test_older_images_are_counted_and_covered() -> None:
    coverage = judge(injected("m-0"), injected("m-1", "example.org/collector:1"))
    assert coverage.counts.outdated == 1
    status, reason, message = told(coverage)
    assert (status, reason) == ("True", "Outdated")
    assert "1 of them of an older image" in message


def test_the_collector_of_another_monitor_is_not_ours() -> None:
    coverage = judge(injected("m-0", monitor="another"))
    assert told(coverage)[1] == "AwaitingRecreation"
    assert coverage.missed[0].message.startswith("it carries the collector of monitor another:")
    assert coverage.counts.injected == 0


def test_the_collector_of_a_deleted_monitor_of_the_same_name_is_not_ours() -> None:
    before = CollectorView(IMAGE, monitor_uid="u0", started=True)
    own = CollectorView(IMAGE, monitor_uid="u1", started=True)
    coverage = judge(injected("m-0", collector=own), injected("m-1", collector=before))
    assert told(coverage) == (
        "False",
        "AwaitingRecreation",
        (
            "1 of 2 pods carries a collector of its own; m-1: it carries the collector of a "
            "deleted monitor of this name, which obeys no other; run `kubectl rollout restart "
            "deployment/m -n models`"
        ),
    )
    assert told(judge(injected("m-0", collector=own)))[1] == "AllInjected"


def test_no_more_collectors_are_reachable_than_there_are() -> None:
    assert judge(injected("m-0"), reachable=3).counts.reachable == 1
