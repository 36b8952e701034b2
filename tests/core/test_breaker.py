"""Injection stops where it keeps pods from starting, and comes back by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from modelmonitor.api.v1alpha1.status import BreakerState, InjectionStatus
from modelmonitor.core.injection.breaker import (
    CLOCK_DIFFERENCE,
    FIRST_RETRY,
    FORGET_AFTER,
    LONGEST_RETRY,
    LONGEST_TRIAL,
    MAKE_ROOM_AFTER,
    MAX_WAIT,
    BreakerDecision,
    InjectionView,
    decide_injection,
    injecting_since,
    is_paused,
)
from modelmonitor.core.injection.crashes import RestartLog
from modelmonitor.core.injection.pods import CollectorView, PodView
from modelmonitor.core.injection.refusals import CreateFailure
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.times import parse_time

START = parse_time("2026-01-31T12:00:00Z")
IMAGE = "example.org/collector:1"
QUOTA = (
    'pods "m" is forbidden: exceeded quota: full, requested: requests.cpu=70m, '
    "used: requests.cpu=140m, limited: requests.cpu=200m"
)
LIMIT_RANGE = (
    'pods "m" is forbidden: maximum memory usage per Container is 200Mi, but limit is 256Mi'
)


def pod(name: str = "m-0", *, created: float = START, **changes: object) -> PodView:
    """Return an injected pod that is being made ready."""
    view = PodView(
        name=name,
        uid=f"uid-{name}",
        created=created,
        workload=Workload("Deployment", "m"),
        monitor="flight",
        collector=CollectorView(IMAGE, started=True),
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def serving(name: str = "m-0", *, created: float = START, restarts: int = 0) -> PodView:
    collector = CollectorView(IMAGE, started=True, restarts=restarts)
    return pod(name, created=created, ready=True, was_ready=True, collector=collector)


def stuck(
    name: str = "m-0", *, since: float = START, reason: str = "ImagePullBackOff", restarts: int = 0
) -> PodView:
    collector = CollectorView(
        IMAGE, awaited_since=since, reason=reason, message="no such host", restarts=restarts
    )
    return pod(name, created=since, collector=collector)


@dataclass
class Story:
    """A monitor whose breaker is decided again and again, as a controller does."""

    status: InjectionStatus | None = None
    restarts: RestartLog = field(default_factory=RestartLog)
    image: str = IMAGE
    generation: int = 1
    created: float = START
    injectors: tuple[str, ...] = ()

    def at(
        self,
        seconds: float,
        pods: Iterable[PodView] = (),
        failures: Iterable[CreateFailure] = (),
    ) -> BreakerDecision:
        now, seen = START + seconds, tuple(pods)
        self.restarts = self.restarts.observe(seen, now)
        decision = decide_injection(
            InjectionView(
                pods=seen,
                failures=tuple(failures),
                restarts=self.restarts,
                previous=self.status,
                monitor="flight",
                created=self.created,
                image=self.image,
                generation=self.generation,
                now=now,
                injectors=self.injectors,
            )
        )
        self.status = decision.status
        return decision

    def state(self) -> BreakerState:
        return BreakerState.CLOSED if self.status is None else self.status.breaker

    def trial(self) -> tuple[str | None, str | None]:
        """Return who may inject the trial pod, and which that is."""
        return self.told.trial_injector, self.told.trial_pod

    @property
    def told(self) -> InjectionStatus:
        assert self.status is not None
        return self.status


def names(decision: BreakerDecision) -> list[str]:
    return [pod.name for pod in decision.evict]


def test_nothing_is_written_while_nothing_happens() -> None:
    decision = Story().at(600, [serving(), pod("m-1", collector=None, monitor="")])
    assert decision == BreakerDecision(None, (), None)


def test_a_pod_that_waits_too_long_for_its_collector_opens_the_breaker() -> None:
    story = Story()
    early = story.at(MAX_WAIT, [stuck()])
    assert story.state() is BreakerState.CLOSED
    assert early.next_check == START + MAX_WAIT + 1
    story.at(MAX_WAIT + 1, [stuck()])
    assert story.state() is BreakerState.OPEN
    assert story.told.reason == "ImageUnavailable"
    assert story.told.message == (
        "pod m-0 waits for its collector since 61 s (ImagePullBackOff: no such host); new pods "
        "start without a collector"
    )
    assert (story.told.image, story.told.generation, story.told.failures) == (IMAGE, 1, 1)
    assert is_paused(story.status)


@pytest.mark.parametrize(
    ("reason", "restarts", "expected"),
    [
        ("ErrImagePull", 0, "ImageUnavailable"),
        ("CreateContainerConfigError", 0, "CollectorNotStarting"),
        ("", 0, "CollectorNotStarting"),
        ("CrashLoopBackOff", 2, "CollectorCrashing"),
    ],
)
def test_the_reason_says_what_the_pod_waits_for(reason: str, restarts: int, expected: str) -> None:
    story = Story()
    story.at(MAX_WAIT + 1, [stuck(reason=reason, restarts=restarts)])
    assert story.told.reason == expected


@pytest.mark.parametrize(
    "other",
    [
        replace(stuck(), monitor="another"),
        replace(stuck(), deleting=True),
        replace(stuck(), ended=True),
        pod(collector=None),
    ],
)
def test_pods_that_are_not_ours_or_not_there_any_more_open_nothing(other: PodView) -> None:
    story = Story()
    story.at(1000, [other])
    assert story.status is None


def test_stuck_pods_are_evicted_once_the_injectors_know_and_their_successors_are_left_alone() -> (
    None
):
    story = Story()
    pods = [stuck("m-0"), stuck("m-1"), serving("m-2")]
    opened = story.at(61, pods)
    assert names(opened) == []
    assert opened.next_check == START + 61 + 4
    assert names(story.at(63, pods)) == []
    assert names(story.at(65, pods)) == ["m-0", "m-1"]
    plain = pod("m-3", collector=None, monitor="")
    assert names(story.at(66, [plain, serving("m-2")])) == []


def test_a_pod_that_was_injected_at_the_last_moment_is_evicted_as_soon_as_it_fails() -> None:
    story = Story()
    story.at(61, [stuck()])
    late = stuck("m-9", since=START + 62, reason="PodInitializing")
    assert names(story.at(70, [late])) == []
    failing = stuck("m-9", since=START + 62, reason="ErrImagePull")
    assert names(story.at(72, [failing])) == ["m-9"]


def test_a_pod_that_was_ready_is_never_evicted_for_its_own_collector() -> None:
    story = Story()
    broken = replace(stuck(reason="CrashLoopBackOff", restarts=4), was_ready=True)
    story.at(61, [broken])
    assert story.state() is BreakerState.OPEN
    assert names(story.at(600, [broken])) == []


def test_three_restarts_within_five_minutes_open_the_breaker() -> None:
    story = Story()
    for seconds, restarts in ((10_000, 5), (10_060, 6), (10_200, 7)):
        story.at(seconds, [serving(restarts=restarts)])
    assert story.status is None
    story.at(10_299, [serving(restarts=8)])
    assert story.told.reason == "CollectorCrashing"
    assert "restarted 3 times within 5 minutes" in story.told.message


def test_three_restarts_spread_over_more_than_five_minutes_open_nothing() -> None:
    story = Story()
    for seconds, restarts in ((10_000, 5), (10_060, 6), (10_200, 7), (10_400, 8)):
        story.at(seconds, [serving(restarts=restarts)])
    assert story.status is None


def test_a_controller_that_starts_anew_counts_the_restarts_of_young_pods() -> None:
    story = Story()
    story.at(200, [serving(restarts=3)])
    assert story.state() is BreakerState.OPEN
    old = Story()
    old.at(301, [serving(restarts=3)])
    assert old.status is None


def test_restarts_of_pods_that_are_gone_are_forgotten() -> None:
    log = RestartLog().observe([serving("m-0"), serving("m-1")], START)
    assert set(log.observe([serving("m-1")], START + 1).seen) == {"uid-m-1"}


@pytest.mark.parametrize(
    ("message", "reason"), [(LIMIT_RANGE, "LimitRangeViolated"), (QUOTA, "QuotaExceeded")]
)
def test_refused_pods_open_the_breaker_at_once(message: str, reason: str) -> None:
    story = Story()
    story.at(1, [], [CreateFailure(message, START)])
    assert story.told.reason == reason
    assert message in story.told.message


def test_refusals_that_have_nothing_to_do_with_us_open_nothing() -> None:
    story = Story()
    story.at(1, [], [CreateFailure('serviceaccount "x" not found', START)])
    assert story.status is None


def refused(since: float = 0) -> list[CreateFailure]:
    return [CreateFailure(QUOTA, START + since)]


def test_a_full_quota_takes_room_back_from_pods_that_serve_nobody_yet() -> None:
    story = Story()
    pods = [pod("m-0"), pod("m-1"), serving("m-2")]
    story.at(1, pods, refused())
    assert names(story.at(5, pods, refused())) == ["m-0", "m-1"]


def test_a_full_quota_takes_room_back_from_ready_pods_one_at_a_time_and_only_while_it_is_full() -> (
    None
):
    story = Story()
    pods = [serving("m-0"), serving("m-1", created=START + 1)]
    story.at(2, pods, refused())
    assert names(story.at(10, pods, refused())) == []
    assert names(story.at(3 + MAKE_ROOM_AFTER, pods, refused())) == ["m-1"]
    leaving = [pods[0], replace(pods[1], deleting=True)]
    assert names(story.at(4 + MAKE_ROOM_AFTER, leaving, refused())) == []
    plain = pod("m-2", collector=None, monitor="")
    assert names(story.at(30 + MAKE_ROOM_AFTER, [pods[0], plain], [])) == []
    assert names(story.at(31 + MAKE_ROOM_AFTER, [pods[0], plain], refused())) == ["m-0"]


def test_an_open_breaker_says_the_same_until_it_is_tried_again() -> None:
    story = Story()
    story.at(61, [stuck()])
    before = story.status
    decision = story.at(300, [stuck("m-5", since=START + 100)])
    assert story.status == before
    assert decision.next_check == START + 61 + FIRST_RETRY + 1
    story.at(61 + FIRST_RETRY, [])
    assert story.state() is BreakerState.HALF_OPEN
    assert story.told.reason == "Trial"
    assert is_paused(story.status)


def half_open() -> tuple[Story, float]:
    story = Story()
    story.at(61, [stuck()])
    begin = 61 + FIRST_RETRY
    story.at(begin, [])
    return story, begin


def test_a_trial_pod_that_becomes_ready_closes_the_breaker() -> None:
    story, begin = half_open()
    old = serving("old", created=START)
    story.at(begin + 10, [old, pod("trial", created=START + begin + 5)])
    assert story.state() is BreakerState.HALF_OPEN
    story.at(begin + 20, [old, serving("trial", created=START + begin + 5)])
    assert story.state() is BreakerState.CLOSED
    assert story.told.reason == "TrialSucceeded"
    assert not is_paused(story.status)


def test_a_trial_pod_that_fails_opens_it_for_twice_as_long_and_is_evicted() -> None:
    story, begin = half_open()
    trial = stuck("trial", since=START + begin + 5)
    story.at(begin + 66, [trial])
    assert story.state() is BreakerState.OPEN
    assert story.told.failures == 2
    assert story.told.retry_at is not None
    delay = parse_time(story.told.retry_at) - parse_time(story.told.since)
    assert delay == 2 * FIRST_RETRY
    assert names(story.at(begin + 70, [trial])) == ["trial"]


@pytest.mark.parametrize("since", [-100.0, -1.0])
def test_a_refusal_that_began_before_the_monitor_opens_nothing(since: float) -> None:
    story = Story()
    story.at(30, [], refused(since))
    assert story.status is None
    story.at(40, [], [*refused(since), *refused(5)])
    assert story.state() is BreakerState.OPEN


def test_a_refusal_that_began_while_pods_started_plain_says_nothing_of_collectors() -> None:
    story, begin = half_open()
    story.at(begin + 20, [serving("trial", created=START + begin + 5)])
    story.at(begin + 40, [], refused(since=begin + 19 - CLOCK_DIFFERENCE))
    assert story.state() is BreakerState.CLOSED
    story.at(begin + 60, [], refused(since=begin + 20 - CLOCK_DIFFERENCE))
    assert story.state() is BreakerState.OPEN


def test_what_opened_the_breaker_is_not_taken_for_what_goes_on() -> None:
    story = Story()
    story.at(30, [], refused(20))
    assert story.state() is BreakerState.OPEN
    assert injecting_since(START, story.status) == START + 30


def test_one_injector_is_named_for_the_trial_and_another_one_when_it_is_gone() -> None:
    story = Story(injectors=("i-2", "i-1"))
    story.at(61, [stuck()])
    assert story.trial()[0] is None
    begin = 61 + FIRST_RETRY
    story.at(begin, [])
    assert story.trial()[0] == "i-1"
    story.injectors = ("i-0", "i-1")
    story.at(begin + 10, [])
    assert story.trial()[0] == "i-1"
    story.injectors = ("i-2", "i-3")
    story.at(begin + 20, [])
    assert story.trial()[0] == "i-2"
    story.injectors = ()  # not known for once
    story.at(begin + 30, [])
    assert story.trial()[0] == "i-2"


def test_the_pod_on_trial_is_named_until_it_is_gone() -> None:
    story, begin = half_open()
    story.at(begin + 10, [serving("old"), pod("trial", created=START + begin + 5)])
    assert story.trial()[1] == "trial"
    later = [pod("other", created=START + begin + 6), pod("trial", created=START + begin + 5)]
    story.at(begin + 20, later)
    assert story.trial()[1] == "trial"
    story.at(begin + 30, [serving("old")])
    assert story.trial()[1] is None
    assert story.state() is BreakerState.HALF_OPEN


def test_a_trial_pod_that_is_not_ready_in_its_time_has_failed_and_is_left_alone() -> None:
    story, begin = half_open()
    trial = pod("trial", created=START + begin + 5)
    waiting = story.at(begin + 5 + LONGEST_TRIAL, [trial])
    assert story.state() is BreakerState.HALF_OPEN
    assert waiting.next_check == trial.created + LONGEST_TRIAL + 1
    story.at(begin + 6 + LONGEST_TRIAL, [trial])
    assert (story.state(), story.told.reason) == (BreakerState.OPEN, "TrialTimedOut")
    assert "pod trial, on trial with a collector, was not ready after 15 min" in story.told.message
    assert names(story.at(begin + 12 + LONGEST_TRIAL, [trial, serving("old")])) == []
    assert story.state() is BreakerState.OPEN
    late = serving("trial", created=START + begin + 5)
    story.at(begin + 60 + LONGEST_TRIAL, [late, serving("old")])
    assert (story.state(), story.told.reason) == (BreakerState.CLOSED, "TrialSucceeded")


def test_a_trial_pod_that_was_ready_and_is_no_longer_is_not_evicted_for_its_time() -> None:
    story, begin = half_open()
    trial = replace(pod("trial", created=START + begin + 5), was_ready=True)
    story.at(begin + 60 + LONGEST_TRIAL, [trial])
    assert story.state() is BreakerState.HALF_OPEN


def test_a_refusal_that_began_before_the_trial_does_not_decide_it() -> None:
    story, begin = half_open()
    story.at(begin + 10, [], refused(since=begin - 100))
    assert story.state() is BreakerState.HALF_OPEN
    story.at(begin + 20, [], refused(since=begin + 15))
    assert story.state() is BreakerState.OPEN


def test_the_delay_grows_to_a_limit_only() -> None:
    story, begin = half_open()
    for _ in range(12):
        story.at(begin + 61, [stuck(since=START + begin)])
        assert story.told.retry_at is not None
        begin = parse_time(story.told.retry_at) - START
        story.at(begin, [])
    assert story.told.failures == 13
    story.at(begin + 61, [stuck(since=START + begin)])
    assert story.told.retry_at is not None
    assert parse_time(story.told.retry_at) - parse_time(story.told.since) == LONGEST_RETRY


@pytest.mark.parametrize("waiting", [False, True])
def test_another_image_or_spec_closes_it_and_begins_to_count_anew(waiting: bool) -> None:
    for change, reason in (({"image": "c:2"}, "ImageChanged"), ({"generation": 2}, "SpecChanged")):
        story, begin = half_open()
        if waiting:
            story.at(begin + 66, [stuck(since=START + begin)])
        for name, value in change.items():
            setattr(story, name, value)
        story.at(begin + 70, [])
        assert (story.state(), story.told.reason) == (BreakerState.CLOSED, reason)
        story.at(begin + 200, [stuck(since=START + begin + 100)])
        assert story.state() is BreakerState.OPEN
        assert story.told.failures == 1


def test_a_failure_soon_after_a_trial_succeeded_counts_on() -> None:
    story, begin = half_open()
    story.at(begin + 20, [serving("trial", created=START + begin + 5)])
    soon = replace(Story(), status=story.status)
    soon.at(begin + 200, [stuck(since=START + begin + 100)])
    assert soon.told.failures == 2
    later = begin + 21 + FORGET_AFTER
    story.at(later + 61, [stuck(since=START + later)])
    assert story.told.failures == 1


def test_a_controller_that_starts_anew_goes_on_where_the_status_is() -> None:
    story = Story()
    story.at(61, [stuck()])
    heir = Story(status=story.status)
    assert names(heir.at(66, [stuck()])) == ["m-0"]
    heir.at(61 + FIRST_RETRY, [])
    assert heir.state() is BreakerState.HALF_OPEN


def test_a_very_long_message_fits_the_status() -> None:
    story = Story()
    story.at(1, [], [CreateFailure(LIMIT_RANGE + "x" * 5000, START)])
    assert len(story.told.message) == 1024
