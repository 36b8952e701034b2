"""Retraining happens once per cause: decisions step by step, and after a crash at any step."""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.api.v1alpha1.conditions import RetrainingReason
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec, Severity
from modelmonitor.api.v1alpha1.status import EpisodePhase, MetricState, RetrainingStatus
from modelmonitor.core.acting.alert import AlertRecord
from modelmonitor.core.acting.retraining import Decision, Facts, JobPhase, JobView, decide, job_name

UID = "6d3f5f0a-0000-4000-8000-000000000001"
NOW = 1_800_000_000.0


def spec(**changes: Any) -> ModelMonitorSpec:
    body: dict[str, Any] = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m"},
        "collection": {"ports": [{"name": "http"}]},
        "baseline": {"type": "ConfigMap", "configMap": {"name": "b"}},
        "metrics": [
            {
                "name": name,
                "type": "Drift",
                "drift": {"columns": {"group": "Inputs"}, "tolerance": {"critical": "0.05"}},
            }
            for name in ("inputs", "scores")
        ],
        "retraining": {
            "when": {"severity": "Critical", "metrics": ["inputs", "scores"], "match": "Any"},
            "cooldown": "1h",
            "job": {"template": {"spec": {}}},
        },
    }
    retraining = changes.pop("retraining", {})
    body["retraining"] = None if retraining is None else {**body["retraining"], **retraining}
    return ModelMonitorSpec.model_validate({**body, **changes})


def firing(*names: str, severity: Severity = Severity.CRITICAL) -> dict[str, AlertRecord]:
    return {
        name: AlertRecord(metric=name, state=MetricState.FIRING, severity=severity, since=NOW)
        for name in names
    }


def facts(**changes: Any) -> Facts:
    return replace(
        Facts(
            name="flights",
            uid=UID,
            spec=spec(),
            previous=None,
            records={},
            revision="abc",
            baseline_digest="sha256:old",
            covered=True,
            job=None,
            now=NOW,
        ),
        **changes,
    )


def opened() -> RetrainingStatus:
    status = decide(facts(records=firing("inputs"))).status
    assert status is not None
    return status


def job(phase: JobPhase = JobPhase.RUNNING, **changes: Any) -> JobView:
    view = JobView(
        name=job_name("flights", UID, 1),
        owned=True,
        phase=phase,
        created_at=NOW,
        finished_at=None if phase is JobPhase.RUNNING else NOW + 60,
    )
    return replace(view, **changes)


def after(status: RetrainingStatus | None, **changes: Any) -> Decision:
    return decide(facts(previous=status, **changes))


def phase(decision: Decision) -> EpisodePhase:
    assert decision.status is not None
    assert decision.status.episode is not None
    return decision.status.episode.phase


def test_nothing_happens_while_nothing_fires() -> None:
    decision = decide(facts())
    assert (decision.status, decision.create) == (None, None)
    assert decision.reason is RetrainingReason.NOT_TRIGGERED


def test_an_episode_is_opened_with_its_job_name_before_any_job_exists() -> None:
    decision = decide(facts(records=firing("inputs")))
    assert phase(decision) is EpisodePhase.OPENED
    assert decision.create is not None
    assert decision.create.job_name == job_name("flights", UID, 1)
    assert decision.create.metrics == ["inputs"]


def test_match_all_waits_for_every_metric() -> None:
    both = spec(retraining={"when": {"metrics": ["inputs", "scores"], "match": "All"}})
    assert decide(facts(spec=both, records=firing("inputs"))).create is None
    assert decide(facts(spec=both, records=firing("inputs", "scores"))).create is not None


def test_a_warning_does_not_trigger_a_critical_rule() -> None:
    warning = firing("inputs", severity=Severity.WARNING)
    assert decide(facts(records=warning)).create is None


def test_silence_does_not_trigger() -> None:
    silent = AlertRecord(
        metric="inputs",
        state=MetricState.FIRING,
        severity=Severity.CRITICAL,
        since=NOW,
        no_data=True,
    )
    assert decide(facts(records={"inputs": silent})).create is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"covered": False}, RetrainingReason.HELD),
        ({"spec": spec(mode="Observe")}, RetrainingReason.OBSERVE_MODE),
        ({"spec": spec(suspend=True)}, RetrainingReason.SUSPENDED),
        ({"spec": spec(retraining=None)}, RetrainingReason.NOT_CONFIGURED),
    ],
)
def test_what_holds_a_trigger_back(changes: dict[str, Any], reason: RetrainingReason) -> None:
    decision = decide(facts(records=firing("inputs"), **changes))
    assert decision.create is None
    assert decision.reason is reason


def test_until_the_job_is_seen_it_is_asked_for_again() -> None:
    decision = after(opened(), records=firing("inputs"))
    assert decision.create is not None
    assert decision.create.number == 1


def test_an_opened_episode_is_carried_out_even_if_the_alert_ends_meanwhile() -> None:
    assert after(opened(), records={}).create is not None


def test_a_seen_job_is_followed_and_not_created_again() -> None:
    decision = after(opened(), records=firing("inputs"), job=job())
    assert decision.create is None
    assert phase(decision) is EpisodePhase.RUNNING


def test_further_metrics_join_the_episode() -> None:
    decision = after(opened(), records=firing("inputs", "scores"), job=job())
    assert decision.status is not None
    assert decision.status.episode is not None
    assert decision.status.episode.metrics == ["inputs", "scores"]


def test_success_is_recorded_and_closed_by_the_new_baseline() -> None:
    decision = after(opened(), job=job(JobPhase.SUCCEEDED), baseline_digest="sha256:new")
    assert phase(decision) is EpisodePhase.CLOSED
    assert decision.status is not None
    assert decision.status.episode is not None
    assert decision.status.episode.cause == "NewBaseline"
    assert [run.outcome for run in decision.status.history] == ["Succeeded"]
    assert decision.reason is RetrainingReason.JOB_SUCCEEDED


def test_while_the_alert_lasts_after_success_no_second_job_starts() -> None:
    decision = after(
        opened(), records=firing("inputs"), job=job(JobPhase.SUCCEEDED), now=NOW + 10 * 3600
    )
    assert decision.create is None
    assert phase(decision) is EpisodePhase.SUCCEEDED


def test_after_a_failure_the_cooldown_passes_before_the_next_run() -> None:
    failed = after(opened(), records=firing("inputs"), job=job(JobPhase.FAILED))
    assert failed.reason is RetrainingReason.COOLING_DOWN
    later = after(failed.status, records=firing("inputs"), now=NOW + 3600)
    assert later.create is not None
    assert later.create.number == 2
    assert later.create.job_name != job_name("flights", UID, 1)


def test_a_new_cause_within_the_cooldown_waits() -> None:
    closed = after(opened(), job=job(JobPhase.SUCCEEDED))
    assert phase(closed) is EpisodePhase.CLOSED
    again = after(closed.status, records=firing("scores"), now=NOW + 600)
    assert again.create is None
    assert again.reason is RetrainingReason.COOLING_DOWN
    assert after(closed.status, records=firing("scores"), now=NOW + 3600).create is not None


def test_a_job_of_somebody_else_is_never_adopted() -> None:
    decision = after(opened(), records=firing("inputs"), job=job(owned=False))
    assert decision.create is None
    assert decision.reason is RetrainingReason.JOB_NAME_TAKEN


def test_a_job_that_was_deleted_ends_its_episode() -> None:
    running = after(opened(), records=firing("inputs"), job=job())
    decision = after(running.status, records=firing("inputs"))
    assert decision.create is None
    assert decision.reason is RetrainingReason.JOB_LOST
    assert after(decision.status, records=firing("inputs"), now=NOW + 60).create is None


def test_history_is_bounded_and_newest_first() -> None:
    status: RetrainingStatus | None = None
    for round_ in range(12):
        now = NOW + round_ * 7200
        status = after(status, records=firing("inputs"), now=now).status
        assert status is not None
        assert status.episode is not None
        done = job(
            JobPhase.SUCCEEDED, name=status.episode.job_name, created_at=now, finished_at=now + 1
        )
        status = after(status, job=done, now=now + 2).status
    assert status is not None
    assert [run.number for run in status.history] == list(range(12, 2, -1))


def test_job_names_differ_between_monitors_of_the_same_name() -> None:
    assert job_name("a", "uid-1", 1) != job_name("a", "uid-2", 1)


@dataclass
class World:
    """The API server's side: a status with compare-and-swap and Jobs by name."""

    status: RetrainingStatus | None = None
    jobs: dict[str, JobView] = field(default_factory=dict)
    created: int = 0

    def seen_job(self) -> JobView | None:
        episode = self.status.episode if self.status else None
        return self.jobs.get(episode.job_name) if episode else None

    def step(self, records: dict[str, AlertRecord], now: float, crash: int) -> None:
        """Run one controller pass that dies before its effect number `crash`."""
        for _ in range(3):
            decision = decide(
                facts(previous=self.status, records=records, job=self.seen_job(), now=now)
            )
            if decision.status != self.status:
                if crash == 0:
                    return
                crash -= 1
                self.status = decision.status
            if decision.create is None:
                return
            if crash == 0:
                return
            crash -= 1
            name = decision.create.job_name
            if name not in self.jobs:
                self.created += 1
                self.jobs[name] = job(name=name, created_at=now)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.booleans()), min_size=1, max_size=25)
)
def test_a_crash_at_any_step_never_doubles_or_loses_a_job(
    history: list[tuple[bool, int, bool]],
) -> None:
    world = World()
    for step, (fires, crash, job_ends) in enumerate(history):
        now = NOW + step * 60
        if job_ends:
            world.jobs = {
                name: replace(view, phase=JobPhase.SUCCEEDED, finished_at=now)
                for name, view in world.jobs.items()
            }
        world.step(firing("inputs") if fires else {}, now, crash)
    world.step({}, NOW + len(history) * 60, crash=99)
    episode = world.status.episode if world.status else None
    assert world.created == (episode.number if episode else 0)
    assert world.created == len(world.jobs)
    starts = sorted(view.created_at for view in world.jobs.values())
    assert all(right - left >= 3600 for left, right in itertools.pairwise(starts))
