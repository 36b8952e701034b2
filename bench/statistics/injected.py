"""Drifts of known kind and place, injected into real data: who finds them, and how late.

The protocol is that of "A Framework for Evaluating and Benchmarking Concept Drift Detection
Methods" (arXiv 2606.07789): rows of real data in random order, into which one of four drifts comes
at once or bit by bit; F1 of the detections, and the time until the first one as a part of the time
that there was. Here a run is as long before the drift as after it.

- Class prior: rows of the rarest of the large classes become twice as frequent.
- Label swap: labels of two classes change places. Inputs and answers stay as they were, so that
  nobody without labels can see it.
- Feature permutation: the values of half of the features change places.
- Feature filtering: rows whose most telling feature is above its median vanish.

Ours sees inputs and answers, never a label. river's detectors see every error at once, as if labels
came with the rows. alibi-detect's TabularDrift sees the inputs, window by window.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.report import Bar, Bound, table
from bench.statistics import stream_data
from bench.statistics.laws import Floats, Ints
from bench.statistics.ours import Watch, spec_of
from bench.statistics.peers import PROJECT, REQUIREMENTS, answers
from bench.statistics.scale import Scale, in_parallel
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.counting.columns import ColumnCells, RowCounter
from modelmonitor.core.judging.verdict import Outcome
from tests.interop.venvs import environment

KINDS: Final = ("class prior", "label swap", "feature permutation", "feature filtering")
WAYS: Final = ("abrupt", "gradual")
SETS: Final = ("shuttle", "rainfall", "flights")
RUNS: Final = 6
"""Of each set, kind and way."""
WINDOW: Final = 200
WINDOWS: Final = 60
DRIFT: Final = 30
"""The window in which the drift begins."""
GRADUAL: Final = 10
"""Windows that a gradual drift takes to be complete."""
TRAINING: Final = 8000
"""Rows of the model, and of the baseline."""
LEAST_CLASS: Final = 0.02
RIVER: Final = (
    "river_adwin",
    "river_page_hinkley",
    "river_ddm",
    "river_eddm",
    "river_hddm_a",
    "river_hddm_w",
)
OURS: Final = "ours"
ALIBI: Final = "alibi_tabular"
MINUTE: Final = 60.0
LATER: Final = 86_400.0
"""Seconds from the baseline's first row to the first live one."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One set, drift and way."""

    name: str
    kind: str
    way: str
    runs: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Real rows: `x` of shape `(n_rows, n_features)`, classes `y` of shape `(n_rows,)`."""

    x: Floats
    y: Ints


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a rule did in some runs.

    Attributes
    ----------
    found
        Runs in which it alarmed after the drift began.
    false
        Runs in which it alarmed before.
    runs
        All of them.
    time
        Mean time until the first alarm after the drift as a part of what there was; 1: never.
    """

    found: int
    false: int
    runs: int
    time: float

    @property
    def f1(self) -> float:
        """Return F1: an alarm before the drift is wrong, a drift without alarm is missed."""
        right = 2 * self.found
        return right / max(1, right + self.false + self.runs - self.found)


def injected(scale: Scale) -> Iterator[Bar]:
    """Yield bars of ours against the best detector of river, and print the table of all."""
    for name in ("river", "alibi"):
        environment(name, REQUIREMENTS)
    runs = 2 if scale.quick else RUNS
    jobs = [
        Job(name=name, kind=kind, way=way, runs=runs)
        for name in SETS
        for kind in KINDS
        for way in WAYS
    ]
    found: dict[tuple[str, str], dict[str, list[Score]]] = {}
    for job, scores in in_parallel(scale, ask, jobs, "injected drifts"):
        for rule, score in scores.items():
            found.setdefault((job.kind, job.way), {}).setdefault(rule, []).append(score)
    rules = (OURS, *RIVER, ALIBI)
    lines = [
        (f"{kind}, {way}", *(_words(_all(found[kind, way][rule])) for rule in rules))
        for kind in KINDS
        for way in WAYS
    ]
    title = "injected drifts: F1 / normalised detection time, all sets together"
    print(table(title, ["drift", *rules], lines), flush=True)
    for kind in KINDS:
        scores = {
            rule: _all([each for way in WAYS for each in found[kind, way][rule]]) for rule in rules
        }
        best = max(RIVER, key=lambda rule: (scores[rule].f1, -scores[rule].time))
        mine, theirs = scores[OURS], scores[best]
        yield Bar(
            name=f"streams.injected.{kind.replace(' ', '-')}.f1",
            ours=mine.f1,
            peer=theirs.f1,
            ratio=mine.f1 / theirs.f1 if theirs.f1 else None,
            bound=Bound(of="ours", operator=">=", limit=0.9),
            notes=(
                f"peer-is={best}-with-every-label",
                f"time={mine.time:.2f}/{theirs.time:.2f}",
                f"false={mine.false}/{mine.runs}",
            ),
        )


def ask(job: Job) -> dict[str, Score]:
    """Return what everybody does in the runs of one kind.

    Raises
    ------
    subprocess.CalledProcessError
        If a peer fails; what it said is on standard error.
    """
    data = _data(job.name)
    parts = [SETS.index(job.name), KINDS.index(job.kind), WAYS.index(job.way)]
    order = np.random.default_rng(parts).permutation(data.y.size)
    training, rest = order[:TRAINING], order[TRAINING:]
    model = _model(data.x[training], data.y[training])
    baseline = _columns(data.x[training], model)
    mine, errors, inputs = [], [], []
    for number in range(job.runs):
        random = np.random.default_rng([*parts, number])
        x, y = drifting(random, job, Data(x=data.x[rest], y=data.y[rest]))
        answer, score = _answers(model, x)
        mine.append(_ours(baseline, np.column_stack([x, score, answer])))
        errors.append(answer != y)
        inputs.append(x)
    theirs = _alibi(data.x[training], np.concatenate(inputs)).reshape(job.runs, WINDOWS)
    found = {OURS: score_of(np.stack(mine), DRIFT), ALIBI: score_of(theirs, DRIFT)}
    with tempfile.TemporaryDirectory(prefix="modelmonitor-errors-") as temporary:
        folder = Path(temporary)
        np.save(folder / "errors.npy", np.stack(errors))
        python = environment("river", REQUIREMENTS) / "bin" / "python"
        command = [str(python), "-m", "bench.peers.river_errors", temporary]
        subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
        for rule in RIVER:
            found[rule] = score_of(np.load(folder / f"{rule}.npy"), DRIFT * WINDOW)
    return found


def score_of(alarms: NDArray[np.bool_], begins: int) -> Score:
    """Return what alarms are worth, shape `(n_runs, n_times)`, of drifts that begin at a time."""
    after = alarms[:, begins:]
    found = after.any(axis=1)
    first = np.where(found, after.argmax(axis=1) / after.shape[1], 1.0)
    return Score(
        found=int(found.sum()),
        false=int(alarms[:, :begins].any(axis=1).sum()),
        runs=len(alarms),
        time=float(first.mean()),
    )


def _all(scores: list[Score]) -> Score:
    runs = sum(each.runs for each in scores)
    return Score(
        found=sum(each.found for each in scores),
        false=sum(each.false for each in scores),
        runs=runs,
        time=sum(each.time * each.runs for each in scores) / runs,
    )


def _words(score: Score) -> str:
    return f"{score.f1:.2f} / {score.time:.2f}"


@cache
def _data(name: str) -> Data:
    if name == "flights":
        stream = stream_data.flights().taken(slice(0, 50_000))
        columns = [
            np.asarray(stream.table[each]) for each in ("distance", "hour", "departure delay")
        ]
        codes = [
            np.unique(stream.table[each], return_inverse=True)[1] for each in ("carrier", "origin")
        ]
        columns += [each.astype(np.float64) for each in codes]
    else:
        stream = stream_data.rainfall() if name == "rainfall" else stream_data.shuttle()
        stream = stream.taken(slice(0, 12_000 if name == "rainfall" else None))
        columns = [np.asarray(each, np.float64) for each in stream.table.values()]
    if stream.label is None:
        raise ValueError(f"{name} has no labels")
    x = np.column_stack(columns)
    whole = np.isfinite(x).all(axis=1)
    y = np.unique(stream.label[whole], return_inverse=True)[1]
    return Data(x=x[whole], y=y.astype(np.int64))


def drifting(random: np.random.Generator, job: Job, data: Data) -> tuple[Floats, Ints]:
    """Return the rows of one run, with the drift in them."""
    size = WINDOW * WINDOWS
    progress = np.clip((np.arange(size) / WINDOW - DRIFT) / GRADUAL, 0.0, 1.0)
    if job.way == "abrupt":
        progress = (np.arange(size) >= DRIFT * WINDOW).astype(np.float64)
    drifted = random.random(size) < progress
    places = random.integers(data.y.size, size=size)
    sizes = np.bincount(data.y)
    large = np.flatnonzero(sizes >= LEAST_CLASS * data.y.size)
    rare = large[sizes[large].argmin()]
    telling = _telling(data)
    if job.kind == "class prior":
        weights = np.where(data.y == rare, 2.0, 1.0)
        places[drifted] = random.choice(
            data.y.size, size=int(drifted.sum()), p=weights / weights.sum()
        )
    elif job.kind == "feature filtering":
        kept = np.flatnonzero(data.x[:, telling[0]] <= np.median(data.x[:, telling[0]]))
        places[drifted] = kept[random.integers(kept.size, size=int(drifted.sum()))]
    x, y = data.x[places].copy(), data.y[places].copy()
    if job.kind == "label swap":
        other = large[sizes[large].argmax()]
        swapped = y.copy()
        swapped[y == rare], swapped[y == other] = other, rare
        y = np.where(drifted, swapped, y)
    elif job.kind == "feature permutation":
        some = telling[: max(2, telling.size // 2)]
        mixed = x.copy()
        mixed[:, some] = x[:, np.roll(some, 1)]
        x = np.where(drifted[:, None], mixed, x)
    return x, y


def _telling(data: Data) -> Ints:
    """Return the features, those whose mean differs most between classes first."""
    grand = data.x.mean(axis=0)
    between = sum(
        (data.y == each).mean() * (data.x[data.y == each].mean(axis=0) - grand) ** 2
        for each in np.unique(data.y)
    )
    return np.argsort(-between / np.maximum(data.x.var(axis=0), 1e-12))


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A linear classifier on features in standard deviations, and where they are cut off."""

    middle: Floats
    deviation: Floats
    weights: Floats


def _model(x: Floats, y: Ints) -> Model:
    """Return least squares on the classes, with squares of the features."""
    middle, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    model = Model(middle=middle, deviation=deviation, weights=np.zeros(0))
    design = _design(model, x)
    targets = np.eye(int(y.max()) + 1)[y]
    ridge = design.T @ design + np.eye(design.shape[1])
    return Model(
        middle=middle,
        deviation=deviation,
        weights=np.asarray(np.linalg.solve(ridge, design.T @ targets), np.float64),
    )


def _design(model: Model, x: Floats) -> Floats:
    z = np.clip((x - model.middle) / model.deviation, -5, 5)
    return np.column_stack([np.ones(len(z)), z, z**2])


def _answers(model: Model, x: Floats) -> tuple[Ints, Floats]:
    """Return the classes, and the score of the best one."""
    scores = _design(model, x) @ model.weights
    return scores.argmax(axis=1), scores.max(axis=1)


def _columns(x: Floats, model: Model) -> Profile:
    """Return the baseline: features, score and answered class."""
    answer, score = _answers(model, x)
    columns = {f"x{place}": x[:, place] for place in range(x.shape[1])}
    columns |= {"score": score, "answer": answer.astype(np.float64)}
    times = stream_data.BEGINS + np.arange(len(x), dtype=np.float64) * (MINUTE / WINDOW)
    return build_profile(columns, times=times)


def _ours(profile: Profile, rows: Floats) -> NDArray[np.bool_]:
    """Return in which windows the defaults say Warning or Critical, shape `(n_windows,)`."""
    watch = Watch(spec_of(MINUTE), profile, stream_data.BEGINS + LATER, MINUTE)
    alarms = np.zeros(WINDOWS, bool)
    for number in range(WINDOWS):
        counter = RowCounter(
            [ColumnCells(kind=each.kind, cuts=each.cuts) for each in profile.columns]
        )
        part = rows[number * WINDOW : (number + 1) * WINDOW]
        counter.add([each.tolist() for each in part.T], WINDOW)
        counts = [counter.counts(place) for place in range(len(profile.columns))]
        alarms[number] = watch.see([counts]).outcome is Outcome.BREACH
    return alarms


def _alibi(baseline: Floats, x: Floats) -> NDArray[np.bool_]:
    """Return in which windows alibi-detect's rule alarms, shape `(n_windows,)`."""
    names = [f"x{place}" for place in range(x.shape[1])]
    with tempfile.TemporaryDirectory(prefix="modelmonitor-peers-") as temporary:
        folder = Path(temporary)
        np.save(folder / "baseline.npy", baseline.astype(np.float32))
        np.save(folder / "windows.npy", x.reshape(-1, WINDOW, x.shape[1]).astype(np.float32))
        columns = {"names": names, "categorical": [False] * len(names)}
        (folder / "columns.json").write_text(json.dumps(columns))
        return np.asarray(answers("alibi", folder)[ALIBI].any(axis=1), np.bool_)
