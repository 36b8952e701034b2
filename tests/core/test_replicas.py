"""One bad replica of several is found, named, and forgotten when it is gone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.drift.drift_plan import REPLICAS
from modelmonitor.core.drift.replicas import TURN, chosen, short_name
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from tests.core.monitoring import Table, drift, rows_pane, spec_of, tick
from tests.core.test_drift import Monitor

ROWS = 20_000
BOTH = drift("0.05", "0.02")


def steady_rows(draw: np.random.Generator, size: int) -> dict[str, Any]:
    return {"age": draw.normal(40, 10, size), "city": draw.choice(["Rome", "Oslo"], size)}


@pytest.fixture(scope="module")
def profile() -> Profile:
    draw = np.random.default_rng(0)
    return build_profile(steady_rows(draw, ROWS), times=np.sort(draw.random(ROWS)) * 86_400)


class Service:
    """Some replicas that each send a pane a minute."""

    def __init__(self, profile: Profile, replicas: int, size: int = 100) -> None:
        self.monitor = Monitor(profile, spec=spec_of(BOTH))
        self.names = [f"pod{number:02}-of-many" for number in range(replicas)]
        self.size = size

    def see(self, moved: Mapping[str, float], late: tuple[str, ...] = ()) -> Verdict:
        """Return the verdict after a tick; `moved` says by how much ages of a replica are off."""
        number = len(self.monitor.ticks)
        panes = []
        for name in self.names:
            rows: Table = steady_rows(self.monitor.draw, self.size)
            rows = {**rows, "age": np.asarray(rows["age"]) + moved.get(name, 0.0)}
            if name not in late:
                panes.append(rows_pane(self.monitor.profile, number, rows, podUID=name, boot=name))
        return self.monitor.judge(tick(number, *panes))


def test_one_bad_replica_of_four_is_found_and_named(profile: Profile) -> None:
    service = Service(profile, 4)
    calm = [service.see({}) for _ in range(20)]
    assert {verdict.outcome for verdict in calm} == {Outcome.NO_BREACH}
    found = [service.see({"pod01-of-many": 10.0}) for _ in range(4)][-1]
    assert found.level is Level.CRITICAL
    assert found.message.startswith("replica pod01-of differs: moved share: age 0.")
    assert found.value == pytest.approx(0.38, abs=0.08)
    assert [finding.column for finding in found.findings] == ["age"]


def test_replicas_that_are_meant_to_differ_are_judged_together(profile: Profile) -> None:
    service = Service(profile, 4)
    together = {**BOTH["drift"], "replicas": "Together"}
    service.monitor.spec = spec_of({**BOTH, "drift": together})
    for _ in range(20):
        assert service.see({service.names[0]: 1.5, service.names[1]: -1.5}).level is None
    assert service.monitor.evidence is not None
    assert set(service.monitor.evidence.metrics["drift"].states) == {"columns"}


def test_where_all_replicas_move_none_is_named(profile: Profile) -> None:
    service = Service(profile, 4)
    for _ in range(5):
        service.see({})
    moved = dict.fromkeys(service.names, 5.0)
    found = [service.see(moved) for _ in range(6)][-1]
    assert found.outcome is Outcome.BREACH
    assert found.message.startswith("moved share: age 0.")


def test_replicas_that_come_and_go_raise_no_alarm(profile: Profile) -> None:
    service = Service(profile, 3)
    for number in range(60):
        service.names = [f"pod{place}" for place in range(number // 5, number // 5 + 4)]
        assert service.see({}).outcome is Outcome.NO_BREACH


def test_what_a_replica_did_is_over_when_it_is_gone(profile: Profile) -> None:
    service = Service(profile, 4)
    bad = service.names[1]
    found = [service.see({bad: 10.0}) for _ in range(10)]
    assert found[-1].outcome is Outcome.BREACH
    service.names.remove(bad)
    after = [service.see({}) for _ in range(40)][-1]
    assert (after.outcome, after.recovered) == (Outcome.NO_BREACH, True)


def test_a_late_pane_ends_no_alert(profile: Profile) -> None:
    service = Service(profile, 20, size=50)
    bad = min(service.names)
    watched: list[Verdict] = []
    while not watched or watched[-1].outcome is not Outcome.BREACH:
        watched.append(service.see({bad: 20.0}))
        assert len(watched) < 300
    assert service.see({bad: 20.0}, late=(bad,)).outcome is Outcome.BREACH


def test_an_alert_on_one_replica_ends_when_it_is_well_again(profile: Profile) -> None:
    service = Service(profile, 4)
    for _ in range(60):
        service.see({service.names[2]: 10.0})
    assert service.see({service.names[2]: 10.0}).outcome is Outcome.BREACH
    after = [service.see({}) for _ in range(40)][-1]
    assert (after.outcome, after.recovered) == (Outcome.NO_BREACH, True)


def test_what_is_remembered_of_replicas_is_bounded(profile: Profile) -> None:
    service = Service(profile, 30, size=10)
    for _ in range(5):
        service.see({})
    assert service.monitor.evidence is not None
    states = service.monitor.evidence.metrics["drift"].states
    assert len(states) == 1 + REPLICAS


def test_the_order_of_panes_does_not_matter(profile: Profile) -> None:
    draw = np.random.default_rng(1)
    one, other = Monitor(profile, spec=spec_of(BOTH)), Monitor(profile, spec=spec_of(BOTH))
    for number in range(6):
        panes = [
            rows_pane(
                profile, number, steady_rows(draw, 100), podUID=f"pod{place}", boot=f"b{place}"
            )
            for place in range(4)
        ]
        one.judge(tick(number, *panes))
        other.judge(tick(number, *reversed(panes)))
    assert one.evidence == other.evidence


def test_a_restarted_process_is_the_same_replica(profile: Profile) -> None:
    draw = np.random.default_rng(1)
    monitor = Monitor(profile, spec=spec_of(BOTH))
    panes = [
        rows_pane(profile, 0, steady_rows(draw, 100), podUID="pod", boot=boot)
        for boot in ("before", "after")
    ]
    monitor.judge(tick(0, *panes))
    assert monitor.evidence is not None
    assert set(monitor.evidence.metrics["drift"].states) == {"columns"}


def test_of_many_replicas_others_have_their_turn_every_hour() -> None:
    names = [f"pod{number}" for number in range(40)]
    turns = [chosen(names, set(), turn * TURN, 8) for turn in range(40)]
    assert {len(turn) for turn in turns} == {8}
    assert {name for turn in turns for name in turn} == set(names)
    assert chosen(names, set(), TURN - 1, 8) == turns[0]
    assert all("pod7" in chosen(names, {"pod7"}, turn * TURN, 8) for turn in range(40))


def test_of_few_replicas_all_are_watched() -> None:
    assert chosen(["b", "a"], set(), 0.0, 8) == ["a", "b"]


def test_a_name_that_is_none_cannot_speak_in_messages() -> None:
    assert short_name("0f3c2a1b-77aa") == "0f3c2a1b"
    assert short_name("<b>\n evil") == "bevi"
    assert short_name("\n\n") == "unnamed"
