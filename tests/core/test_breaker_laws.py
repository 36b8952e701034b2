"""What holds of the circuit breaker whatever pods do and whenever the controller is replaced."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.api.v1alpha1.status import BreakerState, InjectionStatus
from modelmonitor.core.injection.breaker import FIRST_RETRY, LONGEST_RETRY, is_paused
from modelmonitor.core.injection.pods import PodView
from modelmonitor.core.injection.refusals import CreateFailure
from modelmonitor.core.times import parse_time
from tests.core.monitoring import steady
from tests.core.test_breaker import LIMIT_RANGE, START, Story, pod, serving, stuck


@st.composite
def pods(draw: st.DrawFn) -> list[PodView]:
    """Return pods in any state, some of which are older than others."""
    found = []
    for number in range(draw(st.integers(0, 4))):
        name, created = f"m-{number}", START + draw(st.integers(0, 40_000))
        kind = draw(st.sampled_from(["serving", "starting", "stuck", "plain", "was ready"]))
        view = {
            "serving": serving(name, created=created, restarts=draw(st.integers(0, 5))),
            "starting": pod(name, created=created),
            "stuck": stuck(name, since=created),
            "plain": pod(name, created=created, collector=None, monitor=""),
            "was ready": replace(stuck(name, since=created), was_ready=True),
        }[kind]
        found.append(view)
    return found


STEPS = st.lists(
    st.tuples(st.integers(1, 2000), pods(), st.booleans(), st.booleans()), min_size=1, max_size=25
)
"""Seconds until the next look, the pods then, whether pods are refused, whether the controller was
replaced meanwhile."""


def check(before: InjectionStatus | None, after: InjectionStatus | None, now: float) -> None:
    """Hold what must be true of every step from one status to the next."""
    was = BreakerState.CLOSED if before is None else before.breaker
    if after is None:
        assert before is None
        return
    if after.breaker is BreakerState.HALF_OPEN and was is not BreakerState.HALF_OPEN:
        assert was is BreakerState.OPEN
        assert before is not None
        assert before.retry_at is not None
        assert now >= parse_time(before.retry_at)
    if after.breaker is BreakerState.OPEN:
        assert after.retry_at is not None
        delay = parse_time(after.retry_at) - parse_time(after.since)
        assert FIRST_RETRY - 1 <= delay <= LONGEST_RETRY + 1
    if was is BreakerState.OPEN and after.breaker is BreakerState.CLOSED:
        assert before is not None
        assert before.trial_pod is not None, "closed without a trial, a new image or a new spec"


@given(STEPS)
@steady
def test_it_closes_only_by_a_trial_opens_for_a_bounded_time_and_evicts_nobody_who_served(
    steps: list[tuple[int, list[PodView], bool, bool]],
) -> None:
    story, seconds = Story(), 0
    for wait, seen, refused, replaced in steps:
        seconds += wait
        there = [each for each in seen if each.created <= START + seconds]
        failures = [CreateFailure(LIMIT_RANGE, START + seconds)] if refused else []
        if replaced:
            story = Story(status=story.status)
        before = story.status
        decision = story.at(seconds, there, failures)
        check(before, story.status, START + seconds)
        assert all(not each.was_ready for each in decision.evict)
        assert not decision.evict or story.state() is BreakerState.OPEN
        assert decision.next_check is None or decision.next_check > START + seconds
        assert is_paused(story.status) is (story.state() is not BreakerState.CLOSED)


@given(STEPS)
@steady
def test_deciding_again_on_the_same_pods_changes_nothing(
    steps: list[tuple[int, list[PodView], bool, bool]],
) -> None:
    story, seconds = Story(injectors=("i-1",)), 0
    for wait, seen, _, _ in steps:
        seconds += wait
        there = [each for each in seen if each.created <= START + seconds]
        story.at(seconds, there)
        once = story.at(seconds, there)
        again = story.at(seconds, there)
        assert (again.status, again.evict) == (once.status, once.evict)
