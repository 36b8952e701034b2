"""What judging costs, beside Evidently on the rows of the same window.

The window holds 100,000 rows of 25 columns: for Evidently a data frame; for ours the panes of four
replicas in one tick, and an hour of 1-minute panes. All say of every column whether it is as it was
in 50,000 rows of baseline, Evidently with its default preset. Turns alternate between all of them.
What panes add up to is kept between ticks; here it is added up anew in every turn. Times are
processor times of one thread, so that they do not tell who else uses the machine.
"""

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bench.report import Bar, Bound, ratios
from bench.statistics.laws import Floats, Ints
from bench.statistics.ours import Watch, profile_of, spec_of
from bench.statistics.peers import PROJECT, REQUIREMENTS
from bench.statistics.scale import Scale, log
from bench.statistics.traffic import (
    BASELINE_BEGINS,
    BASELINE_DAYS,
    BASELINE_ROWS,
    DAY,
    LIVE_BEGINS,
    PANE,
    Traffic,
)
from modelmonitor.api.v1alpha1.metric_options import DriftOptions
from modelmonitor.api.v1alpha1.spec import DriftBudget, ModelMonitorSpec
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.drift.drift_counts import layout_of, seen
from modelmonitor.core.drift.drift_plan import plan_of
from modelmonitor.core.drift.drift_state import begin, step
from modelmonitor.core.judging.evaluation import evaluate
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.windows import Tick
from tests.interop.venvs import environment

MINUTE: Final = 60.0
WINDOW: Final = 60
"""Panes."""
ROWS: Final = 100_000
"""In the window."""
REPLICAS: Final = 4
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
STEPS: Final = 200
SHIFTED: Final = 20
"""Panes with a shift of every number, which fill the state."""


def measure(scale: Scale) -> Iterator[Bar]:
    """Yield the bars of evaluation, of one pane, and of the state."""
    random = np.random.default_rng(12)
    traffic = Traffic(name="independent")
    panes = round(BASELINE_DAYS * DAY / PANE)
    rows, times = traffic.table(random, BASELINE_ROWS, BASELINE_BEGINS, panes)
    profile = profile_of(rows, traffic, times)
    baseline = np.column_stack([each.astype(np.float64) for each in rows.values()])
    yield from _evaluation(scale, random, traffic, profile, baseline)
    yield _pane(scale, random, traffic, profile)
    for replicas in (1, REPLICAS):
        yield _state(random, traffic, profile, replicas)


def _cells(traffic: Traffic, profile: Profile, shift: float) -> list[Floats]:
    return [
        law.cells(column, np.full(1, shift))[0]
        for law, column in zip(traffic.laws, profile.columns, strict=True)
    ]


def _counts(random: np.random.Generator, cells: list[Floats], rows: int) -> list[Ints]:
    return [random.multinomial(rows, each) for each in cells]


def _evaluation(
    scale: Scale,
    random: np.random.Generator,
    traffic: Traffic,
    profile: Profile,
    baseline: Floats,
) -> Iterator[Bar]:
    """Yield what it takes to judge the last tick of the window."""
    hour = Watch(spec_of(MINUTE), profile, LIVE_BEGINS, MINUTE)
    once = Watch(spec_of(MINUTE), profile, LIVE_BEGINS, MINUTE)
    cells = _cells(traffic, profile, 0.0)
    for _ in range(WINDOW):
        hour.see([_counts(random, cells, ROWS // WINDOW)])
    once.see([_counts(random, cells, ROWS // REPLICAS) for _ in range(REPLICAS)])
    distances = _distances(profile)

    def drift_of_a_tick() -> None:
        evaluate(once.spec, profile, once.digest, _fresh(once.ticks))

    def drift_of_an_hour() -> None:
        evaluate(hour.spec, profile, hour.digest, _fresh(hour.ticks))

    def distances_of_an_hour() -> None:
        evaluate(distances, profile, hour.digest, _fresh(hour.ticks))

    work = {
        each.__name__: each for each in (drift_of_a_tick, drift_of_an_hour, distances_of_an_hour)
    }
    ours: dict[str, list[float]] = {name: [] for name in work}
    theirs: list[float] = []
    stream = np.column_stack([law.rows(random, np.zeros(ROWS)) for law in traffic.laws])
    with _evidently(baseline, stream, traffic) as peer:
        for turn in range(scale.turns):
            for name, run in work.items():
                ours[name].append(_seconds(run))
            theirs.append(peer())
            log.info("turn %d of %d: Evidently took %.1f s", turn + 1, scale.turns, theirs[-1])
    for name, taken in ours.items():
        mine = statistics.median(taken)
        beside = ratios(theirs, taken)
        yield Bar(
            name=f"evaluate_{name}",
            ours=1000 * mine,
            unit="ms",
            bound=Bound(of="ours", operator="<=", limit=20),
            notes=(f"least={1000 * min(taken):.1f}ms",),
        )
        yield Bar(
            name=f"evaluate_{name}_beside_evidently",
            ours=1000 * mine,
            peer=1000 * statistics.median(theirs),
            ratio=beside.median,
            unit="ms",
            bound=Bound(of="ratio", operator=">=", limit=600),
            notes=beside.notes,
        )


def _distances(profile: Profile) -> ModelMonitorSpec:
    """Return a monitor with a distance of every column, over the window."""
    plain = spec_of(MINUTE).model_dump(by_alias=True, exclude_none=True)
    plain["metrics"] = [
        {
            "name": f"distance-{place}",
            "type": "Distance",
            "distance": {"column": column.name, "statistic": "JensenShannon"},
            "window": f"{WINDOW}m",
            "threshold": {"operator": "GreaterThan", "warning": "0.1", "critical": "0.2"},
        }
        for place, column in enumerate(profile.columns)
    ]
    return ModelMonitorSpec.model_validate(plain)


def _fresh(ticks: deque[Tick]) -> list[Tick]:
    """Return ticks that have not added up anything yet."""
    return [replace(tick) for tick in ticks]


def _seconds(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


@contextlib.contextmanager
def _evidently(baseline: Floats, stream: Floats, traffic: Traffic) -> Iterator[Callable[[], float]]:
    """Yield a function that lets Evidently judge the window once and returns the seconds."""
    python = environment("evidently", REQUIREMENTS) / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="modelmonitor-speed-") as temporary:
        folder = Path(temporary)
        np.save(folder / "baseline.npy", baseline)
        np.save(folder / "windows.npy", stream[None])
        columns = {
            "names": [law.name for law in traffic.laws],
            "categorical": [law.name.startswith("category") for law in traffic.laws],
        }
        (folder / "columns.json").write_text(json.dumps(columns))
        with subprocess.Popen(
            [str(python), "-m", "bench.peers.evidently_speed", str(folder)],
            cwd=PROJECT,
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:

            def turn() -> float:
                if process.stdin is None or process.stdout is None:
                    raise ValueError("the program was started without pipes")
                print("judge", file=process.stdin, flush=True)
                return float(process.stdout.readline())

            turn()
            yield turn


def _pane(scale: Scale, random: np.random.Generator, traffic: Traffic, profile: Profile) -> Bar:
    """Return what one pane costs all detectors."""
    options = DriftOptions.model_validate(
        {"columns": {"group": "Inputs"}, "tolerance": {"warning": "0.02", "critical": "0.05"}}
    )
    plan = plan_of(profile, options, DriftBudget(), MINUTE, len(profile.columns))
    watch = Watch(spec_of(MINUTE), profile, LIVE_BEGINS, MINUTE)
    cells = _cells(traffic, profile, 0.0)
    for _ in range(WINDOW):
        watch.see([_counts(random, cells, ROWS // WINDOW)])
    reference = Reference(profile, watch.digest, watch.ticks[-1].judged_revision)
    layout = layout_of(plan.columns)
    panes = [seen(layout, reference, tick) for tick in watch.ticks]
    taken = []
    for _ in range(scale.turns):
        state = begin(plan)
        begun = time.process_time()
        for number in range(STEPS):
            start = LIVE_BEGINS + number * MINUTE
            state = step(plan, state, panes[number % WINDOW], {}, start, MINUTE)
        taken.append(1000 * (time.process_time() - begun) / STEPS)
    return Bar(
        name="one_pane_into_all_detectors",
        ours=statistics.median(taken),
        unit="ms",
        bound=Bound(of="ours", operator="<=", limit=0.2),
        notes=(f"least={min(taken):.3f}ms",),
    )


def _state(random: np.random.Generator, traffic: Traffic, profile: Profile, replicas: int) -> Bar:
    """Return how large the stored evidence of a monitor gets, with and without drift."""
    watch = Watch(spec_of(MINUTE), profile, LIVE_BEGINS, MINUTE)
    plain, moved = _cells(traffic, profile, 0.0), _cells(traffic, profile, 0.3)
    sizes = []
    for number in range(WINDOW + SHIFTED):
        cells = plain if number < WINDOW else moved
        watch.see([_counts(random, cells, 1000 // replicas) for _ in range(replicas)])
        sizes.append(len(msgspec.msgpack.encode(watch.evidence)))
    return Bar(
        name=f"state_of_25_columns_{replicas}_replicas".replace("1_replicas", "1_replica"),
        ours=max(sizes) / 1000,
        unit="kB",
        bound=Bound(of="ours", operator="<=", limit=16),
        notes=(f"calm={max(sizes[:WINDOW]) / 1000:.1f}kB",),
    )
