"""Performance without labels: from merged panes, from raw rows, and as labels say.

The truth is known, so that the error of an estimate is held against the standard error of the
realised metric: no estimate can be nearer to it than that. The peer is what is usual elsewhere:
isotonic regression on the baseline's rows, applied to every row of the window.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bench.report import Bar, Bound, table
from bench.statistics.scale import Scale
from bench.statistics.score_sets import Floats, Rows, ScoreSet, score_sets
from modelmonitor.api.v1alpha1.metric_options import PerformanceMeasure
from modelmonitor.core.baseline.performance_builder import ScoreColumn, build_performance
from modelmonitor.core.baseline.performance_profile import PerformanceProfile
from modelmonitor.core.counting.scores import ScoreCounter
from modelmonitor.core.judging.performance_scores import (
    score_configuration,
    sum_scores,
    totals_of,
)
from modelmonitor.core.judging.performance_window import Scored
from modelmonitor.core.statistics.calibration import rates_of
from modelmonitor.core.statistics.estimation import Estimated, Z, performance
from modelmonitor.core.wire.pane import Pane, decode_pane, encode

log = logging.getLogger(__name__)

MEASURES: Final = tuple(
    each for each in PerformanceMeasure if each is not PerformanceMeasure.PRIOR_SHIFT
)
BARS: Final = (PerformanceMeasure.ACCURACY, PerformanceMeasure.ROC_AUC)
SAME: Final = Bound(of="ours", operator="<=", limit=0.0015)
NEAR: Final = Bound(of="ours", operator="<=", limit=1.2)
UNBIASED: Final = Bound(of="ours", operator="<=", limit=0.003)
"""Three standard errors of the mean over 200 baselines."""
EXACT: Final = Bound(of="ours", operator="<=", limit=0.005)
SHOWN: Final = Bound(of="ours", operator="<=", limit=1.0)
"""Always holds: the figure is there to be seen."""
CLASSES_OF_ONE_SCORE: Final = 2
REPLICAS: Final = 4
MINUTES: Final = 15
BASELINE: Final = 50_000
WINDOW: Final = 2_000
SMALL_BASELINE: Final = 5_000
LARGE_BASELINE: Final = 400_000
LARGE_WINDOW: Final = 100_000
PER_BASELINE: Final = 10
"""Windows that are judged by one baseline."""
REAL_WINDOW: Final = 500
LEAST_REAL: Final = 5_000
"""Rows of a set from which on its own labels, not drawn ones, are tried as well."""

Values = Mapping[PerformanceMeasure, float]


def measure(scale: Scale) -> Iterator[Bar]:
    """Yield the bars."""
    found = score_sets()
    random = np.random.default_rng(5)
    for each in found:
        yield _same_as_rows(random, each)
    for each in found:
        yield from _near_realised(random, each, max(1, scale.trials // PER_BASELINE))
    for each in found:
        if each.rows.scores.shape[1] == 1:
            yield _bias(random, each, scale.trials)
    yield from _large(random, found[: 1 if scale.quick else None])
    for each in found:
        if len(each.rows) >= LEAST_REAL:
            yield from _real_labels(random, each, scale.trials)
    yield from _concept_shift(next(each for each in found if each.months))


def profile_of(rows: Rows) -> PerformanceProfile:
    """Return the part on performance of a baseline's profile."""
    classes = max(2, rows.scores.shape[1])
    own = [1] if rows.scores.shape[1] == 1 else range(classes)
    scores = [
        ScoreColumn(column=f"score{of}", values=rows.scores[:, place], of=str(of))
        for place, of in enumerate(own)
    ]
    return build_performance("predicted", rows.predicted, rows.label, scores)[0]


def panes_of(part: PerformanceProfile, rows: Rows, parts: int) -> list[Pane]:
    """Return the panes of some replicas and minutes, as they come over the wire."""
    configuration = score_configuration(part)
    panes = []
    for number, mine in enumerate(np.array_split(np.arange(len(rows)), parts)):
        counter = ScoreCounter(configuration)
        taken = rows.taken(mine)
        predicted = taken.predicted.tolist()
        counter.add(predicted, [column.tolist() for column in taken.scores.T], len(taken))
        pane = Pane(
            monitorUID="m",
            podUID="p",
            bootID="b",
            seq=number + 1,
            start=0.0,
            end=60.0,
            interval=60.0,
            scores=counter.counts(),
        )
        panes.append(decode_pane(encode(pane)))
    return panes


def estimates(
    part: PerformanceProfile, panes: Sequence[Pane]
) -> dict[PerformanceMeasure, Estimated]:
    """Return what is estimated of panes."""
    scored = Scored(part, sum_scores(part, [totals_of(part, [pane]) for pane in panes]), 1.0, 1.0)
    return {each: performance(each, scored.classes, 1.0, 1.0) for each in MEASURES}


def weighted(rows: Rows, chances: Floats) -> dict[PerformanceMeasure, float]:
    """Return the measures of rows that are of each class with some probability.

    Parameters
    ----------
    rows
        Whose predictions and scores are meant.
    chances
        Shape `(n_rows, n_scores)`: of the class that the score is of; 0 or 1 where it is known.
    """
    several = chances.shape[1] > 1
    single = [
        _of_class(
            rows.predicted == (place if several else 1), rows.scores[:, place], chances[:, place]
        )
        for place in range(chances.shape[1])
    ]
    found: dict[PerformanceMeasure, float] = {}
    found |= {each: float(np.nanmean([one[each] for one in single])) for each in MEASURES}
    if several:
        right = chances[np.arange(len(rows)), rows.predicted]
        found[PerformanceMeasure.ACCURACY] = float(right.mean())
    return found


def _of_class(mine: NDArray[np.bool_], scores: Floats, chances: Floats) -> Values:
    right, own = float(chances[mine].sum()), float(chances.sum())
    predicted = float(mine.sum())
    wrong = float((1 - chances[~mine]).sum())
    order = np.argsort(scores, kind="stable")
    _, first, size = np.unique(scores[order], return_index=True, return_counts=True)
    hits = np.add.reduceat(chances[order], first)
    others = size - hits
    below = np.cumsum(others) - others / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            PerformanceMeasure.ACCURACY: (right + wrong) / scores.size,
            PerformanceMeasure.PRECISION: np.float64(right) / predicted,
            PerformanceMeasure.RECALL: np.float64(right) / own,
            PerformanceMeasure.F1: 2 * np.float64(right) / (predicted + own),
            PerformanceMeasure.ROC_AUC: float(hits @ below / hits.sum() / others.sum()),
        }


def realised(rows: Rows) -> Values:
    """Return the measures as the labels say."""
    return weighted(rows, _of_scored(np.eye(max(2, rows.scores.shape[1]))[rows.label]))


def expected(rows: Rows) -> Values:
    """Return the measures that labels drawn from the truth have on average."""
    if rows.truth is None:
        raise ValueError("the truth of these rows is not known")
    return weighted(rows, _of_scored(rows.truth))


def _of_scored(chances: Floats) -> Floats:
    """Return the probabilities of the classes that have a score."""
    return chances[:, 1:] if chances.shape[1] == CLASSES_OF_ONE_SCORE else chances


def by_rates(part: PerformanceProfile, rows: Rows) -> Values:
    """Return the estimates from raw rows: each row has the rate of its own score."""
    chances = np.empty(rows.scores.shape)
    for place, one in enumerate(part.scored):
        mine = rows.predicted == int(one.name)
        cells = np.searchsorted(one.edges, rows.scores[:, place], side="left")
        chances[:, place] = rates_of(one.rows, one.hits)[mine.astype(int), cells]
    return weighted(rows, chances)


class IsotonicRows:
    """What is usual: isotonic regression on the baseline's rows, for the rows of each window.

    Between the baseline's scores it is interpolated; of several classes, the calibrated scores of
    a row are made to add up to 1.
    """

    def __init__(self, baseline: Rows) -> None:
        several = baseline.scores.shape[1] > 1
        self._maps = []
        for place, scores in enumerate(baseline.scores.T):
            own = (baseline.label == (place if several else 1)).astype(np.float64)
            at, where = np.unique(scores, return_inverse=True)
            size = np.bincount(where)
            means = np.bincount(where, weights=own) / size
            self._maps.append((at, optimize.isotonic_regression(means, weights=size).x))

    def estimates(self, rows: Rows) -> Values:
        """Return the estimates of a window."""
        chances = np.column_stack(
            [
                np.interp(scores, *known)
                for scores, known in zip(rows.scores.T, self._maps, strict=True)
            ]
        )
        if chances.shape[1] > 1:
            chances /= np.maximum(chances.sum(axis=1, keepdims=True), 1e-12)
        return weighted(rows, chances)


def _same_as_rows(random: np.random.Generator, found: ScoreSet) -> Bar:
    """Hold merged panes against raw rows: all measures, other inputs than the baseline's."""
    part = profile_of(found.drawn(random, BASELINE))
    rows = found.drawn(random, 10 * WINDOW, shifted=True)
    panes = panes_of(part, rows, REPLICAS * MINUTES)
    merged = estimates(part, [panes[place] for place in random.permutation(len(panes))])
    raw = by_rates(part, rows)
    apart = {each: abs(merged[each].value - raw[each]) for each in MEASURES}
    worst = max(apart, key=lambda each: apart[each])
    return Bar(
        name=f"performance_panes_as_rows_{found.name}",
        ours=apart[worst],
        bound=SAME,
        notes=(f"worst={worst}", f"panes={len(panes)}", f"classes={len(part.classes)}"),
    )


def _near_realised(random: np.random.Generator, found: ScoreSet, baselines: int) -> Iterator[Bar]:
    """Yield errors in standard errors of the realised metric; the worse of two kinds of inputs."""
    errors: dict[tuple[PerformanceMeasure, bool], list[tuple[float, float, float]]] = {}
    held: list[bool] = []
    for _ in range(baselines):
        baseline = found.drawn(random, BASELINE)
        part, usual = profile_of(baseline), IsotonicRows(baseline)
        for window in range(2 * PER_BASELINE):
            shifted = window % 2 == 1
            rows = found.drawn(random, WINDOW, shifted=shifted)
            mine = estimates(part, panes_of(part, rows, 1))
            theirs, true, mean = usual.estimates(rows), realised(rows), expected(rows)
            for each in BARS:
                off = mine[each].value - true[each]
                errors.setdefault((each, shifted), []).append(
                    (off, theirs[each] - true[each], true[each] - mean[each])
                )
                held.append(abs(off) <= Z * mine[each].deviation)
    for each in BARS:
        sizes = {shifted: _sizes(errors[each, shifted]) for shifted in (False, True)}
        worst = max(sizes, key=lambda shifted: sizes[shifted][0] / sizes[shifted][2])
        ours, peer, least = sizes[worst]
        yield Bar(
            name=f"performance_{each.lower()}_error_{found.name}",
            ours=ours / least,
            peer=peer / least,
            ratio=ours / peer,
            bound=NEAR,
            unit="se",
            notes=(
                f"se={least:.4f}",
                f"windows={len(errors[each, worst])}x{WINDOW}",
                f"inputs={'others' if worst else 'same'}",
                f"interval-holds={np.mean(held):.1%}",
            ),
        )


def _bias(random: np.random.Generator, found: ScoreSet, baselines: int) -> Bar:
    """Hold the mean over small baselines against the truth: chance cancels, optimism does not."""
    measure = PerformanceMeasure.ROC_AUC
    window = found.drawn(random, 10 * WINDOW)
    truth = expected(window)[measure]
    apart = []
    for _ in range(baselines):
        baseline = found.drawn(random, SMALL_BASELINE)
        part = profile_of(baseline)
        mine = estimates(part, panes_of(part, window, 1))[measure].value
        apart.append((mine - truth, IsotonicRows(baseline).estimates(window)[measure] - truth))
    ours, peer = np.mean(apart, axis=0).tolist()
    least = float(np.std([mine for mine, _ in apart])) / len(apart) ** 0.5
    return Bar(
        name=f"performance_rocauc_bias_{found.name}",
        ours=abs(ours),
        peer=abs(peer),
        ratio=abs(ours / peer),
        bound=UNBIASED,
        notes=(f"se={least:.4f}", f"baselines={baselines}x{SMALL_BASELINE}"),
    )


def _sizes(errors: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the root mean squares of ours, the peer's, and the labels' own."""
    ours, peer, labels = np.sqrt(np.mean(np.square(errors), axis=0)).tolist()
    return ours, peer, labels


def _large(random: np.random.Generator, found: Sequence[ScoreSet]) -> Iterator[Bar]:
    """Yield errors where windows are so large that the realised metric is known well."""
    errors: dict[PerformanceMeasure, dict[str, tuple[float, float]]] = {each: {} for each in BARS}
    for one in found:
        baseline = one.drawn(random, LARGE_BASELINE)
        part, usual = profile_of(baseline), IsotonicRows(baseline)
        apart = []
        for _ in range(5):
            rows = one.drawn(random, LARGE_WINDOW)
            mine, theirs = estimates(part, panes_of(part, rows, REPLICAS)), usual.estimates(rows)
            true = realised(rows)
            pairs = [(mine[each].value - true[each], theirs[each] - true[each]) for each in BARS]
            apart.append(np.abs(pairs))
        for each, (ours, peer) in zip(BARS, np.mean(apart, axis=0), strict=True):
            errors[each][one.name] = (float(ours), float(peer))
    for each in BARS:
        worst = max(errors[each], key=lambda name: errors[each][name])
        ours, peer = errors[each][worst]
        yield Bar(
            name=f"performance_{each.lower()}_error_large_windows",
            ours=ours,
            peer=peer,
            bound=EXACT,
            notes=(f"worst={worst}", f"rows={LARGE_WINDOW}", f"baseline={LARGE_BASELINE}"),
        )


def _real_labels(random: np.random.Generator, found: ScoreSet, trials: int) -> Iterator[Bar]:
    """Yield errors against real labels: half of the rows, at random, is the baseline."""
    errors: dict[PerformanceMeasure, list[tuple[float, float]]] = {each: [] for each in BARS}
    for _ in range(max(1, trials // PER_BASELINE)):
        order = random.permutation(len(found.rows))
        half = len(order) // 2
        part = profile_of(found.rows.taken(order[:half]))
        whole = (len(order) - half) // REAL_WINDOW * REAL_WINDOW
        windows = order[half : half + whole].reshape(-1, REAL_WINDOW)
        for mine in windows[:PER_BASELINE]:
            rows = found.rows.taken(mine)
            now, true = estimates(part, panes_of(part, rows, 1)), realised(rows)
            for each in BARS:
                errors[each].append((now[each].value - true[each], true[each]))
    for each in BARS:
        apart = np.array(errors[each])
        size, least = float(np.sqrt(np.mean(apart[:, 0] ** 2))), float(apart[:, 1].std())
        yield Bar(
            name=f"performance_{each.lower()}_error_{found.name}_real_labels",
            ours=size / least,
            bound=NEAR,
            unit="se",
            notes=(f"se={least:.4f}", f"windows={len(apart)}x{REAL_WINDOW}"),
        )


def _concept_shift(found: ScoreSet) -> Iterator[Bar]:
    """Yield errors of flights by month, whose concept shifts: nothing sees it without labels."""
    part = profile_of(found.rows)
    lines, errors = [], {each: [0.0] for each in BARS}
    for month, rows in sorted(found.months.items()):
        now, true = estimates(part, panes_of(part, rows, REPLICAS)), realised(rows)
        line = [f"month {month}"]
        for each in BARS:
            one = now[each]
            low, high = one.value - Z * one.deviation, one.value + Z * one.deviation
            inside = "" if low <= true[each] <= high else " missed"
            line += [f"{one.value:.3f} ({low:.3f} to {high:.3f})", f"{true[each]:.3f}{inside}"]
            errors[each].append(abs(one.value - true[each]))
        lines.append(line)
    head = ["", *(word for each in BARS for word in (f"{each} estimated", "realised"))]
    print(table(f"{found.name}: the relation between inputs and labels shifts", head, lines))
    for each in BARS:
        yield Bar(
            name=f"performance_{each.lower()}_error_{found.name}_concept_shift",
            ours=float(np.mean(errors[each][1:])),
            bound=SHOWN,
            notes=(f"worst={max(errors[each]):.3f}", "not-seen-without-labels"),
        )
