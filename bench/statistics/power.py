"""What is found, and how soon, beside KS with Bonferroni on the rows of the same panes.

25 columns, 1-minute panes of 1000 rows, a baseline of 50,000 independent rows, shipped defaults.
Delays count panes from the one in which the shift begins. Ours watches all 25 columns; KS is asked
about the shifted column only, with the level that 25 columns leave it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.report import Bar, Bound, figure, table
from bench.statistics import curves, poisson
from bench.statistics.laws import Floats, Ints
from bench.statistics.ours import Watch, baseline_of, profile_of, spec_of
from bench.statistics.parallel import Evidence, fleet_of, hits_of
from bench.statistics.rules import Bonferroni
from bench.statistics.scale import Scale, in_parallel
from bench.statistics.shifts import Shift, all_shifts
from bench.statistics.traffic import (
    BASELINE_BEGINS,
    BASELINE_DAYS,
    BASELINE_ROWS,
    DAY,
    LIVE_BEGINS,
    PANE,
    Traffic,
)
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.judging.verdict import Level

MINUTE: Final = 60.0
ROWS: Final = 1000
"""In a pane."""
BEFORE: Final = 5
"""Panes without shift at the begin of a trial."""
AFTER: Final = 40
"""Panes with the shift, at most: what is not found by then is not found."""
NEVER: Final = 10**6
"""Delay of what is not found."""
WITHIN: Final = (1, 2, 3, 5, 10, 20, 40)
"""Panes of the table."""
TRIALS: Final = 20
"""With one baseline."""
NULL_ROWS: Final = (200, 500, 1000, 5000)
FLEET: Final = 10
"""Monitors of one baseline, of the null."""
NULL_BATCH: Final = 500
"""Panes of each of them."""
PHI_ROWS: Final = (10_000, 50_000)
SMALL_PHI: Final = 1.2

Delays = NDArray[np.int64]
RULES: Final = ("warning", "critical", "ks_bonferroni")


def measure(scale: Scale) -> Iterator[Bar]:
    """Yield the bars of delay, then of phi, then of the null."""
    yield from _delays(scale)
    yield from _phis(scale)
    yield from _null(scale)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Trials of every shift with one baseline."""

    number: int
    trials: int


def try_shifts(part: Part) -> dict[str, Delays]:
    """Return the delays of every rule, by shift, shape `(trials, len(RULES))`."""
    random = np.random.default_rng([9, part.number])
    traffic = Traffic(name="independent")
    panes = round(BASELINE_DAYS * DAY / PANE)
    rows, times = traffic.table(random, BASELINE_ROWS, BASELINE_BEGINS, panes)
    profile = profile_of(rows, traffic, times)
    found = {}
    for shift in all_shifts():
        name = traffic.laws[shift.column].name
        peer = _peer(rows[name], name)
        delays = [_trial(random, traffic, profile, shift, peer) for _ in range(part.trials)]
        found[shift.name] = np.array(delays)
    return found


def _peer(reference: NDArray[Any], name: str) -> Bonferroni:
    return Bonferroni(
        reference.astype(np.float64)[:, None], [name.startswith("category")], columns=25
    )


def _trial(
    random: np.random.Generator,
    traffic: Traffic,
    profile: Profile,
    shift: Shift,
    peer: Bonferroni,
) -> tuple[int, ...]:
    """Return the delays of ours at Warning, ours at Critical, and KS."""
    watch = Watch(spec_of(MINUTE), profile, LIVE_BEGINS, MINUTE)
    law, column = traffic.laws[shift.column], profile.columns[shift.column]
    plain = [
        law.cells(each, np.zeros(1))[0]
        for law, each in zip(traffic.laws, profile.columns, strict=True)
    ]
    share = ROWS // shift.replicas
    delays = dict.fromkeys(RULES, NEVER)
    for pane in range(-BEFORE, AFTER):
        replicas: list[list[Ints]] = [
            [random.multinomial(share, cells) for cells in plain] for _ in range(shift.replicas)
        ]
        height = shift.at(pane) if pane >= 0 else 0.0
        if pane >= 0:
            moved = shift.cells(law, column, height)
            replicas[-1][shift.column] = random.multinomial(share, moved)
        level = watch.see(replicas).level
        if pane < 0:
            continue
        values = np.concatenate(
            [
                shift.rows(random, law, height, share),
                shift.rows(random, law, 0.0, ROWS - share),
            ]
        )
        said = {
            "warning": level is not None,
            "critical": level is Level.CRITICAL,
            "ks_bonferroni": bool(peer.alarms(values[:, None])[0]),
        }
        for rule, alarms in said.items():
            if alarms:
                delays[rule] = min(delays[rule], pane + 1)
        if max(delays.values()) < NEVER:
            break
    return tuple(delays[rule] for rule in RULES)


def _delays(scale: Scale) -> Iterator[Bar]:
    trials = min(TRIALS, scale.trials)
    parts = [Part(number=place, trials=trials) for place in range(scale.trials // trials)]
    delays: dict[str, list[Delays]] = {}
    for _, found in in_parallel(scale, try_shifts, parts, "shifts"):
        for name, one in found.items():
            delays.setdefault(name, []).append(one)
    together = {name: np.concatenate(each) for name, each in delays.items()}
    _tell(together)
    curves.draw(together, RULES, AFTER, complete=not scale.quick)
    for name, rule, least in (
        ("normal +0.3 sd", "warning", True),
        ("normal +0.5 sd", "critical", True),
        ("normal +0.1 sd", "critical", False),
    ):
        mine = together[name][:, RULES.index(rule)]
        share = float((mine <= (2 if least else AFTER)).mean())
        peer = float((together[name][:, -1] <= 2).mean())
        yield Bar(
            name=f"power_{name.split()[1]}sd_{rule}_{'within_2' if least else 'ever'}",
            ours=share,
            peer=peer if least else None,
            bound=Bound(of="ours", operator=">=" if least else "<=", limit=0.9 if least else 0.0),
            notes=(f"trials={mine.size}", *(("peer=ks_bonferroni",) if least else ())),
        )


def _tell(delays: dict[str, Delays]) -> None:
    lines = []
    for name, each in delays.items():
        for place, rule in enumerate(RULES):
            mine = each[:, place]
            middle = float(np.median(mine))
            lines.append(
                (
                    f"{name}: {rule}",
                    *(figure(100 * float((mine <= panes).mean())) for panes in WITHIN),
                    "never" if middle >= NEVER else figure(middle),
                )
            )
    head = ["shift: rule, % found within panes", *(str(panes) for panes in WITHIN), "median"]
    print(table("delay, 25 columns, 1-minute panes of 1000 rows", head, lines), flush=True)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A baseline of independent rows."""

    rows: int
    number: int


def phis(sample: Sample) -> Floats:
    """Return the phi of every column of a baseline of independent rows."""
    random = np.random.default_rng([10, sample.rows, sample.number])
    profile = baseline_of(random, Traffic(name="independent"), sample.rows)
    return np.array([column.phi for column in profile.columns])


def _phis(scale: Scale) -> Iterator[Bar]:
    jobs = [
        Sample(rows=rows, number=place) for rows in PHI_ROWS for place in range(scale.baselines)
    ]
    found: dict[int, list[Floats]] = {}
    for job, one in in_parallel(scale, phis, jobs, "phi of independent rows"):
        found.setdefault(job.rows, []).append(one)
    for rows, each in sorted(found.items()):
        every = np.array(each)
        yield Bar(
            name=f"phi_at_most_{SMALL_PHI:g}_of_{rows}_rows",
            ours=float((every <= SMALL_PHI).mean()),
            bound=Bound(of="ours", operator=">=", limit=0.95),
            notes=(
                f"columns={every.size}",
                f"all_25={figure(float((every <= SMALL_PHI).all(axis=1).mean()))}",
                f"largest={figure(float(every.max()))}",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """Monitors without shift, with one baseline."""

    rows: int
    number: int


def stay_quiet(quiet: Quiet) -> dict[str, tuple[int, int]]:
    """Return by severity the panes in which any column alarms, and the alarms that begin."""
    random = np.random.default_rng([11, quiet.rows, quiet.number])
    traffic = Traffic(name="independent")
    profile = baseline_of(random, traffic)
    fleet = fleet_of(profile, FLEET, MINUTE, DriftBudget())
    evidence = Evidence(fleet, LIVE_BEGINS)
    counts = [
        random.multinomial(quiet.rows, law.cells(column, np.zeros(1))[0], size=(NULL_BATCH, FLEET))
        for law, column in zip(traffic.laws, profile.columns, strict=True)
    ]
    alarmed: dict[Level, list[Any]] = {}
    for hits in hits_of(profile, counts):
        evidence.see(hits, float(quiet.rows))
        for level, found in evidence.by_level().items():
            now = found >= fleet.plan.alarm[level]
            alarmed.setdefault(level, []).append(now.any(axis=1))
    return {level.value: _counted(np.array(each)) for level, each in alarmed.items()}


def _counted(alarmed: NDArray[np.bool_]) -> tuple[int, int]:
    begins = alarmed & ~np.roll(alarmed, 1, axis=0)
    begins[0] = alarmed[0]
    return int(alarmed.sum()), int(begins.sum())


def _null(scale: Scale) -> Iterator[Bar]:
    size = FLEET * NULL_BATCH
    number = max(1, scale.null_panes // size)
    jobs = [Quiet(rows=rows, number=place) for rows in NULL_ROWS for place in range(number)]
    panes = dict.fromkeys(NULL_ROWS, 0)
    begun = {level.value: 0 for level in (Level.WARNING, Level.CRITICAL)}
    for job, found in in_parallel(scale, stay_quiet, jobs, "1-minute panes without shift"):
        panes[job.rows] += found[Level.WARNING.value][0]
        for level, (_, begins) in found.items():
            begun[level] += begins
    for rows, alarmed in panes.items():
        yield Bar(
            name=f"null_any_warning_per_pane_n{rows}",
            ours=alarmed / (number * size),
            bound=Bound(of="ours", operator="<=", limit=0.01),
            notes=(f"panes={number * size}",),
        )
    days = len(NULL_ROWS) * number * size * MINUTE / DAY
    for level, budget in ((Level.WARNING, 1 / 7), (Level.CRITICAL, 1 / 90)):
        events = begun[level.value]
        yield Bar(
            name=f"null_{level.value.lower()}_poisson95_1m",
            ours=poisson.most(events) / days,
            unit="/day",
            bound=Bound(of="ours", operator="<=", limit=round(budget, 4)),
            notes=(f"days={days:.0f}", f"alarms={events}"),
        )
