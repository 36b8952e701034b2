"""Real scores with labels whose relation to them is known: rows are real, labels are drawn.

The scores are those of real models on real data. What they mean is fitted once to the real labels
(a logistic curve of the log-odds; of several classes, one temperature) and taken for the truth, so
that windows of any size can be drawn, from other inputs as well, without any concept shift.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from bench.statistics.packages import data_packages
from bench.statistics.peers import PROJECT, REQUIREMENTS
from tests.cluster.mmcluster.settings import default_cache
from tests.interop.venvs import environment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NAMES: Final = ("flights", "rainfall", "default", "caravan", "segments", "digits")
SMALLEST: Final = 1e-6
"""Probabilities are taken to be at least this, and at most one less this."""
TILT: Final = 0.7
"""How much more often rows with higher scores are drawn, by standard deviation of their ranks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Answers of a model.

    Attributes
    ----------
    scores
        Shape `(n_rows, n_scores)`: of the positive class of two, or of every class.
    predicted, label
        Classes, shape `(n_rows,)`.
    truth
        Probability of every class, shape `(n_rows, n_classes)`; of drawn labels only.
    """

    scores: Floats
    predicted: Ints
    label: Ints
    truth: Floats | None = None

    def __len__(self) -> int:
        return self.label.size

    def taken(self, rows: Ints | NDArray[np.bool_]) -> "Rows":
        """Return some of the rows."""
        truth = None if self.truth is None else self.truth[rows]
        return Rows(
            scores=self.scores[rows],
            predicted=self.predicted[rows],
            label=self.label[rows],
            truth=truth,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreSet:
    """The scores of one model.

    Attributes
    ----------
    name
        Of the data.
    rows
        With real labels; where there are months, those like the training's.
    months
        Rows of other months, by number.
    truth
        Probability of every class in each row, shape `(n_rows, n_classes)`.
    """

    name: str
    rows: Rows
    months: dict[int, Rows]
    truth: Floats

    def drawn(self, random: np.random.Generator, size: int, *, shifted: bool = False) -> Rows:
        """Return rows drawn with replacement, with labels drawn from the truth."""
        scores = self.rows.scores[:, 0]
        order = special.ndtri((scores.argsort().argsort() + 0.5) / scores.size)
        weights = np.exp((TILT if shifted else 0.0) * order)
        picked = random.choice(scores.size, size, p=weights / weights.sum())
        truth = self.truth[picked]
        label = (random.random((size, 1)) > np.cumsum(truth, axis=1)).sum(axis=1)
        return Rows(
            scores=self.rows.scores[picked],
            predicted=self.rows.predicted[picked],
            label=np.minimum(label, truth.shape[1] - 1).astype(np.int64),
            truth=truth,
        )


def score_sets() -> list[ScoreSet]:
    """Return all sets; the models are trained when they are wanted for the first time.

    Raises
    ------
    RuntimeError
        If packages cannot be installed.
    subprocess.CalledProcessError
        If training fails; what it said is on standard error.
    """
    python = environment("scores", REQUIREMENTS)
    packages = data_packages()
    program = PROJECT / "bench" / "peers" / "score_sets.py"
    name = f"scores-{python.name}-{packages.name}-{program.stat().st_mtime_ns}"
    folder = default_cache() / "bench" / name
    if not all((folder / f"{each}.npz").exists() for each in NAMES):
        command = [str(python / "bin" / "python"), "-m", "bench.peers.score_sets"]
        subprocess.run([*command, str(packages), str(folder)], cwd=PROJECT, check=True)
    return [_read(folder / f"{each}.npz") for each in NAMES]


def _read(path: Path) -> ScoreSet:
    with np.load(path) as found:
        rows = Rows(
            scores=found["scores"].astype(np.float64),
            predicted=found["predicted"].astype(np.int64),
            label=found["label"].astype(np.int64),
        )
        part = found["part"]
    months = {int(month): rows.taken(part == month) for month in np.unique(part) if month}
    usual = rows.taken(part == 0)
    return ScoreSet(name=path.stem, rows=usual, months=months, truth=_truth(usual))


def _truth(rows: Rows) -> Floats:
    logs = np.log(np.clip(rows.scores, SMALLEST, 1 - SMALLEST))
    if logs.shape[1] > 1:

        def loss(temperature: float) -> float:
            found = special.log_softmax(logs / temperature, axis=1)
            return -float(found[np.arange(len(rows)), rows.label].sum())

        best = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x
        tempered: Floats = special.softmax(logs / best, axis=1)
        return tempered
    odds = special.logit(np.clip(rows.scores[:, 0], SMALLEST, 1 - SMALLEST))

    def doubt(line: Floats) -> float:
        signed = (2 * rows.label - 1) * (line[0] + line[1] * odds)
        return -float(special.log_expit(signed).sum())

    line = optimize.minimize(doubt, np.array([0.0, 1.0]), method="Nelder-Mead").x
    positive = special.expit(line[0] + line[1] * odds)
    return np.column_stack([1 - positive, positive])
