"""A monitor restarts its target's pods once, only where that helps and hurts nobody."""

from dataclasses import replace
from typing import Any

import pytest

from modelmonitor.api.v1alpha1.conditions import CollectorsReason
from modelmonitor.api.v1alpha1.status import (
    BreakerState,
    InjectionStatus,
    RestartPhase,
    RestartStatus,
)
from modelmonitor.core.injection.capture import has_collector
from modelmonitor.core.injection.coverage import SETTLING, MissedPod
from modelmonitor.core.injection.restart import (
    LONGEST_REQUEST,
    LONGEST_RESTART,
    RestartView,
    Rollout,
    decide_restart,
    held,
    is_under_way,
    requested,
    template_patch,
    trial_pod,
    without_target,
)
from modelmonitor.core.injection.workloads import Workload, workload_of
from modelmonitor.core.times import format_time, parse_time

NOW = parse_time("2026-01-31T12:00:00Z")
OLD = MissedPod("web-1", CollectorsReason.AWAITING_RECREATION, "it is older")
LOST = MissedPod("web-2", CollectorsReason.NOT_INJECTED, "no injector answered")
OBSTRUCTED = MissedPod("web-3", CollectorsReason.CAPTURE_IMPOSSIBLE, "hostNetwork")
COMMAND = "run `kubectl rollout restart deployment/web -n models`"


def breaker(state: BreakerState) -> InjectionStatus:
    return InjectionStatus(
        breaker=state,
        reason="ImageUnavailable",
        message="no image",
        since=format_time(NOW),
        image="c:1",
        generation=1,
    )


def status(phase: RestartPhase, uid: str = "u1", message: str = "") -> RestartStatus:
    return RestartStatus(phase=phase, uid=uid, requested_at=format_time(NOW - 60), message=message)


def view(**changes: Any) -> RestartView:
    """Return a monitor that asks for a restart, which nothing keeps from it."""
    return replace(
        RestartView(
            uid="u1",
            created=NOW - 100,
            wanted=True,
            hindrance="",
            previous=None,
            injection=None,
            missed=[OLD],
            rollout=Rollout(),
            annotated=False,
            useless=False,
            command=COMMAND,
            now=NOW,
        ),
        **changes,
    )


@pytest.mark.parametrize("missed", [OLD, LOST])
def test_pods_that_recreation_mends_ask_for_a_test_and_then_for_the_annotation(
    missed: MissedPod,
) -> None:
    seen = view(missed=[OBSTRUCTED, missed])
    decision = decide_restart(seen)
    assert (decision.test, decision.apply, decision.status) == (True, False, None)
    then = requested(seen)
    assert then.apply
    assert then.status == RestartStatus(
        phase=RestartPhase.REQUESTED, uid="u1", requested_at="2026-01-31T12:00:00Z"
    )
    assert then.words == (
        "the operator restarts it, as spec.collection.restart says, since 2026-01-31T12:00:00Z"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"wanted": False},
        {"missed": []},
        {"missed": [OBSTRUCTED]},
    ],
)
def test_without_a_wish_or_a_pod_that_it_helps_nothing_is_done_or_said(
    changes: dict[str, Any],
) -> None:
    decision = decide_restart(view(**changes))
    assert (decision.test, decision.apply, decision.status, decision.words) == (
        False,
        False,
        None,
        "",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"hindrance": "spec.mode is Observe"},
            f"its restart is held: spec.mode is Observe; {COMMAND}",
        ),
        (
            {"injection": breaker(BreakerState.HALF_OPEN)},
            "its restart is held: injection was paused (ImageUnavailable)",
        ),
        ({"useless": True}, "its restart is held: what follows has to be mended first"),
        ({"rollout": Rollout(paused=True)}, "its rollout is paused"),
        ({"rollout": Rollout(manual=True)}, "delete the pods one by one"),
        (
            {"rollout": Rollout(owner="InferenceService web")},
            f"it belongs to InferenceService web; {COMMAND}",
        ),
        ({"rollout": Rollout(settled=False)}, "a rollout is under way"),
        ({"created": NOW - SETTLING + 1}, "a few seconds old"),
    ],
)
def test_what_speaks_against_a_restart_is_said(changes: dict[str, Any], words: str) -> None:
    decision = decide_restart(view(**changes))
    assert not decision.test
    assert not decision.apply
    assert decision.status is None
    assert words in decision.words


def test_a_breaker_that_closed_again_holds_nothing() -> None:
    assert decide_restart(view(injection=breaker(BreakerState.CLOSED))).test


def test_a_request_is_applied_until_the_annotation_is_there_then_followed_to_its_end() -> None:
    first = decide_restart(view(previous=status(RestartPhase.REQUESTED)))
    assert first.apply
    assert first.status == status(RestartPhase.REQUESTED)
    rolling = view(
        previous=first.status, annotated=True, rollout=Rollout(settled=False), missed=[OLD]
    )
    second = decide_restart(rolling)
    assert not second.apply
    assert second.status is not None
    assert second.status.phase is RestartPhase.RESTARTING
    assert "the operator restarts it" in second.words
    third = decide_restart(view(previous=second.status, annotated=True, missed=[]))
    assert third.status is not None
    assert (third.status.phase, third.status.finished_at) == (
        RestartPhase.FINISHED,
        "2026-01-31T12:00:00Z",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"wanted": False},
        {"hindrance": "the monitor is suspended"},
        {"injection": breaker(BreakerState.OPEN)},
    ],
)
def test_a_request_is_called_off_before_its_effect(changes: dict[str, Any]) -> None:
    decision = decide_restart(view(previous=status(RestartPhase.REQUESTED), **changes))
    assert not decision.apply
    assert decision.status is not None
    assert decision.status.phase is RestartPhase.FAILED
    assert "it was called off" in decision.status.message


def test_an_annotation_that_does_not_stick_is_given_up() -> None:
    late = NOW - 60 + LONGEST_REQUEST
    seen = view(previous=status(RestartPhase.REQUESTED), now=late + 1)
    assert decide_restart(replace(seen, now=late)).apply
    decision = decide_restart(seen)
    assert decision.status is not None
    assert decision.status.phase is RestartPhase.FAILED
    assert "somebody takes it away" in decision.status.message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"injection": breaker(BreakerState.OPEN)}, "injection was paused (ImageUnavailable)"),
        ({}, "the pods were recreated, and web-1 carries no collector"),
        (
            {"rollout": Rollout(settled=False), "now": NOW + LONGEST_RESTART + 1},
            "the rollout had not ended after 1 h",
        ),
    ],
)
def test_a_restart_that_brings_no_collectors_has_failed_and_says_why(
    changes: dict[str, Any], message: str
) -> None:
    seen = view(previous=status(RestartPhase.RESTARTING), annotated=True, **changes)
    decision = decide_restart(seen)
    assert decision.status is not None
    assert (decision.status.phase, decision.status.message) == (RestartPhase.FAILED, message)
    assert decision.words == f"its restart has failed: {message}; {COMMAND}"


@pytest.mark.parametrize("phase", [RestartPhase.FINISHED, RestartPhase.FAILED])
@pytest.mark.parametrize("annotated", [False, True])
def test_a_monitor_never_restarts_twice(phase: RestartPhase, annotated: bool) -> None:
    ended = status(phase)
    decision = decide_restart(view(previous=ended, annotated=annotated))
    assert (decision.status, decision.test, decision.apply) == (ended, False, False)
    assert decision.words.startswith("the one restart of spec.collection.restart was made at")
    assert decision.words.endswith(COMMAND)
    assert decide_restart(view(previous=ended, missed=[])).words == ""


def test_a_status_that_was_lost_leads_to_no_second_restart() -> None:
    decision = decide_restart(view(annotated=True))
    assert (decision.status, decision.test, decision.apply) == (None, False, False)
    assert decision.words == f"its pods were recreated once already; {COMMAND}"


def test_a_status_of_another_monitor_of_that_name_does_not_count() -> None:
    before = status(RestartPhase.FINISHED, uid="u0")
    assert decide_restart(view(previous=before)).test
    assert not is_under_way(status(RestartPhase.RESTARTING, uid="u0"), "u1")
    assert is_under_way(status(RestartPhase.RESTARTING), "u1")


@pytest.mark.parametrize(
    ("phase", "gone", "ends"),
    [
        (RestartPhase.RESTARTING, True, True),
        (RestartPhase.REQUESTED, True, True),
        (RestartPhase.RESTARTING, False, False),
        (RestartPhase.FINISHED, True, False),
    ],
)
def test_a_restart_ends_with_its_target(phase: RestartPhase, gone: bool, ends: bool) -> None:
    before = status(phase)
    after = without_target(before, gone=gone, now=NOW).status
    assert after is not None
    assert (after.phase is RestartPhase.FAILED) is ends
    assert (after == before) is not ends


def test_waiting_writes_nothing() -> None:
    assert held("another one is under way").status is None


def test_the_patch_holds_one_annotation_with_a_constant_value() -> None:
    assert template_patch(Workload("StatefulSet", "web"), "w1", "u1") == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "uid": "w1"},
        "spec": {"template": {"metadata": {"annotations": {"modelmonitor.dev/restarted": "u1"}}}},
    }


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_trial_pod_belongs_to_the_workload_as_its_own_pods_do(kind: str) -> None:
    workload = Workload(kind, "web")
    metadata = {"labels": {"app": "web"}, "annotations": {"a": "b"}}
    pod = trial_pod(workload, "w1", metadata, {"containers": [{"name": "model"}]})
    assert workload_of(pod["metadata"]) == workload
    assert pod["metadata"]["labels"]["app"] == "web"
    assert pod["metadata"]["annotations"] == {"a": "b"}
    assert metadata["labels"] == {"app": "web"}
    assert not has_collector(pod["spec"])
