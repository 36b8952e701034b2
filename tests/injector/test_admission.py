"""Which pods get a collector, and which monitor they get it for."""

from typing import Any

import pytest

from modelmonitor.api.v1alpha1.parsing import parse_monitor
from modelmonitor.core.settings import Settings
from modelmonitor.injector.admission import Admission, PodRequest
from modelmonitor.injector.mutation import Outcome
from modelmonitor.injector.plan import PlanBook, plan_of
from tests.injector.conftest import MakePod, Pod
from tests.injector.monitors import monitor_body, with_breaker
from tests.injector.patching import apply_patch


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plans() -> PlanBook:
    return PlanBook()


@pytest.fixture
def admission(clock: Clock, plans: PlanBook) -> Admission:
    settings = Settings(
        namespace="modelmonitor-system", pod_name="injector-0", collector_image="example.org/c:1"
    )
    admission = Admission(settings, plans, clock, "0.1.0")
    admission.root_keys = "cm9vdA"
    return admission


def request(body: Pod, namespace: str = "models", *, dry_run: bool = False) -> PodRequest:
    return PodRequest(uid="1", namespace=namespace, pod=body, dry_run=dry_run)


def watched(plans: PlanBook, **changes: Any) -> None:
    plans.put(plan_of(parse_monitor(monitor_body(**changes))))


def environment(body: Pod, patch: Any) -> dict[str, str]:
    container = apply_patch(body, patch)["spec"]["initContainers"][-1]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_a_pod_of_a_watched_deployment_is_injected(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans)
    mutation = admission.decide(request(pod("mlserver")))
    assert mutation.outcome is Outcome.INJECTED
    assert environment(pod("mlserver"), mutation.patch)["MM_MONITOR_UID"] == "uid-of-flight-delay"


def test_a_pod_of_a_watched_stateful_set_is_injected(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, kind="StatefulSet", target="embeddings")
    assert admission.decide(request(pod("statefulset"))).outcome is Outcome.INJECTED


@pytest.mark.parametrize(
    "changes",
    [{"target": "other"}, {"namespace": "elsewhere"}, {"kind": "StatefulSet"}],
)
def test_a_pod_that_nobody_watches_is_left_alone(
    changes: dict[str, Any], admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, **changes)
    assert admission.decide(request(pod("mlserver"))).reason == "NotMonitored"


def test_pods_of_the_operator_itself_and_of_other_namespaces_are_left_alone(
    plans: PlanBook, clock: Clock, pod: MakePod
) -> None:
    settings = Settings(
        namespace="system", pod_name="i", collector_image="c:1", namespaces=("models",)
    )
    admission = Admission(settings, plans, clock, "0.1.0")
    for namespace in ("system", "elsewhere"):
        watched(plans, namespace=namespace)
        assert admission.decide(request(pod("mlserver"), namespace)).reason == "NotOurs"


def test_the_oldest_monitor_of_a_workload_wins_whatever_came_first(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, name="younger", created="2026-02-01T00:00:00Z")
    watched(plans, name="older", created="2026-01-01T00:00:00Z")
    watched(plans, name="as-old-but-later-by-name", created="2026-02-01T00:00:00Z")
    body = pod("mlserver")
    values = environment(body, admission.decide(request(body)).patch)
    assert values["MM_MONITOR"] == "models/older"
    plans.remove("models", "older")
    values = environment(body, admission.decide(request(body)).patch)
    assert values["MM_MONITOR"] == "models/as-old-but-later-by-name"


def test_a_suspended_monitor_injects_nothing(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, spec={"suspend": True})
    assert admission.decide(request(pod("mlserver"))).reason == "Suspended"


def ready(status: str, reason: str) -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": status,
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-31T13:00:00Z",
        "reason": reason,
        "message": "NetworkPolicy web allows port 8080 by number",
    }
    other = {**condition, "type": "CollectorsReady", "reason": "CaptureImpossible"}
    return {"observedGeneration": 1, "conditions": [other, condition]}


def test_pods_that_the_controller_found_impossible_to_capture_are_left_alone_with_its_reason(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, status=ready("False", "CaptureImpossible"))
    mutation = admission.decide(request(annotated(pod("mlserver"), "flight-delay")))
    assert (mutation.reason, mutation.patch) == ("CaptureImpossible", ())
    assert mutation.message == "NetworkPolicy web allows port 8080 by number"
    watched(plans, status=ready("True", "Succeeded"))
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED


@pytest.mark.parametrize(
    ("status", "reason"), [("False", "BaselineNotFound"), ("Unknown", "Progressing")]
)
def test_other_words_of_ready_keep_no_pod_from_its_collector(
    status: str, reason: str, admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, status=ready(status, reason))
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED


def test_nothing_is_injected_before_the_controller_has_published_its_key(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans)
    admission.root_keys = ""
    assert admission.decide(request(pod("mlserver"))).reason == "NoRootKeys"


def annotated(body: Pod, monitor: str) -> Pod:
    body["metadata"].setdefault("annotations", {})["modelmonitor.dev/inject"] = monitor
    return body


def test_an_annotated_pod_is_injected_before_its_monitor_is_known(
    admission: Admission, pod: MakePod
) -> None:
    body = annotated(pod("mlserver"), "flight-delay")
    mutation = admission.decide(request(body))
    assert mutation.outcome is Outcome.INJECTED
    values = environment(body, mutation.patch)
    assert values["MM_MONITOR"] == "models/flight-delay"
    assert values["MM_MONITOR_UID"] == ""
    assert values["MM_PORTS"] == "http=24180:8080"


def test_patience_with_an_unknown_monitor_ends(
    admission: Admission, clock: Clock, pod: MakePod
) -> None:
    body = annotated(pod("mlserver"), "forgotten")
    clock.now += 5
    assert admission.decide(request(body)).outcome is Outcome.INJECTED
    clock.now += 599
    assert admission.decide(request(body)).outcome is Outcome.INJECTED
    clock.now += 1
    assert admission.decide(request(body)).reason == "MonitorUnknown"


@pytest.mark.parametrize("name", ["Not-A-Name", "a" * 41, "with space", "-x", "a/b"])
def test_an_annotation_that_could_spoil_the_pod_is_not_taken_over(
    name: str, admission: Admission, pod: MakePod
) -> None:
    assert admission.decide(request(annotated(pod("mlserver"), name))).reason == (
        "InvalidAnnotation"
    )


def test_an_annotation_that_names_the_monitor_of_another_workload_does_nothing(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, name="ranking", target="ranker")
    mutation = admission.decide(request(annotated(pod("mlserver"), "ranking")))
    assert mutation.reason == "OtherTarget"
    assert "deployment/flight-delay" in mutation.message


def test_an_annotated_pod_of_a_job_is_left_alone(admission: Admission, pod: MakePod) -> None:
    body = annotated(pod("mlserver"), "flight-delay")
    body["metadata"]["ownerReferences"][0] |= {"apiVersion": "batch/v1", "kind": "Job"}
    assert admission.decide(request(body)).reason == "NotMonitored"


def test_an_open_breaker_lets_pods_start_plain_and_says_why(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, status=with_breaker("Open"))
    mutation = admission.decide(request(pod("mlserver")))
    assert (mutation.reason, mutation.patch) == ("InjectionPaused", ())
    assert mutation.message == "the collector's image could not be pulled"


def test_a_half_open_breaker_lets_one_pod_through(
    admission: Admission, plans: PlanBook, clock: Clock, pod: MakePod
) -> None:
    watched(plans, status=with_breaker("HalfOpen"))
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED
    assert admission.decide(request(pod("mlserver"))).reason == "InjectionPaused"
    clock.now += 600
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED
    watched(plans, status=with_breaker("HalfOpen", since="2026-01-31T15:00:00Z"))
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED
    assert admission.decide(request(pod("mlserver"))).reason == "InjectionPaused"


def test_only_the_injector_that_is_named_gives_out_the_trial(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, status=with_breaker("HalfOpen", trialInjector="another"))
    assert admission.decide(request(pod("mlserver"))).reason == "InjectionPaused"
    watched(plans, status=with_breaker("HalfOpen", trialInjector="injector-0"))
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED


def test_while_a_pod_is_on_trial_no_other_becomes_it(
    admission: Admission, plans: PlanBook, clock: Clock, pod: MakePod
) -> None:
    watched(plans, status=with_breaker("HalfOpen", trialPod="model-1"))
    clock.now += 6000
    assert admission.decide(request(pod("mlserver"))).reason == "InjectionPaused"


def test_neither_a_dry_run_nor_a_refused_pod_takes_the_trial(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, status=with_breaker("HalfOpen"))
    assert admission.decide(request(pod("mlserver"), dry_run=True)).outcome is Outcome.INJECTED
    refused = pod("mlserver")
    refused["spec"]["hostNetwork"] = True
    assert admission.decide(request(refused)).reason == "HostNetwork"
    assert admission.decide(request(pod("mlserver"))).outcome is Outcome.INJECTED


def test_the_second_call_for_a_trial_pod_leaves_it_injected(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, status=with_breaker("HalfOpen"))
    body = pod("mlserver")
    injected = apply_patch(body, admission.decide(request(body)).patch)
    assert admission.decide(request(injected)).reason == "AlreadyInjected"


def test_a_monitor_of_a_kind_that_is_none_of_ours_claims_nothing(
    admission: Admission, plans: PlanBook, pod: MakePod
) -> None:
    watched(plans, kind="DaemonSet")
    assert admission.decide(request(pod("mlserver"))).reason == "NotMonitored"
    assert len(plans) == 1
