"""Peers: their rules on rows of the same kinds of traffic, each in an environment of its own."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.statistics.laws import Floats
from bench.statistics.rules import Bonferroni, NannyML, Rule
from bench.statistics.scale import Scale
from bench.statistics.traffic import (
    BASELINE_BEGINS,
    BASELINE_DAYS,
    BASELINE_ROWS,
    DAY,
    LIVE_BEGINS,
    PANE,
    Traffic,
    kinds,
)
from tests.interop.venvs import environment

PROJECT: Final = Path(__file__).parents[2]
REQUIREMENTS: Final = PROJECT / "bench" / "peers" / "requirements"
NAMES: Final = {
    "evidently": ("evidently_default", "evidently_psi"),
    "whylogs": ("whylogs_default",),
    "alibi": ("alibi_tabular",),
    "river": ("river_adwin_3_columns", "river_page_hinkley_3_columns"),
}
"""Peer → its rules."""
PER_DAY: Final = round(DAY / PANE)

Answers = dict[str, NDArray[np.bool_]]
"""Rule → shape `(n_windows, n_columns)`."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One kind of traffic at one rate; everybody sees the same rows.

    Attributes
    ----------
    kind
        Place among `traffic.kinds()`.
    rows
        A window.
    days
        Of windows.
    """

    kind: int
    rows: int
    days: int


def install() -> None:
    """Make what environments are missing.

    Raises
    ------
    RuntimeError
        If one cannot be installed.
    """
    for name in NAMES:
        environment(name, REQUIREMENTS)


def asked(kinds_: int, rows: Sequence[int], scale: Scale) -> list[Asked]:
    """Return one job a cell, the longest first."""
    return [
        Asked(kind=kind, rows=each, days=scale.peer_days)
        for each in sorted(rows, reverse=True)
        for kind in range(kinds_)
    ]


def ask(job: Asked) -> Answers:
    """Return what every rule says of the same windows.

    Raises
    ------
    subprocess.CalledProcessError
        If a peer fails; what it said is on standard error.
    """
    random = np.random.default_rng([job.kind, job.rows, 77])
    kind = kinds()[job.kind]
    baseline = rows_of(random, kind, BASELINE_ROWS, BASELINE_BEGINS, BASELINE_DAYS)
    windows = job.days * PER_DAY
    stream = in_windows(random, kind, job.rows, windows)
    categorical = [law.name.startswith("category") for law in kind.laws]
    mine: dict[str, Rule] = {
        "ks_chi2_bonferroni": Bonferroni(baseline, categorical),
        "nannyml_js_3sd": NannyML(baseline, categorical, job.rows),
    }
    found = {name: np.array([rule.alarms(rows) for rows in stream]) for name, rule in mine.items()}
    with tempfile.TemporaryDirectory(prefix="modelmonitor-peers-") as temporary:
        folder = Path(temporary)
        np.save(folder / "baseline.npy", baseline)
        np.save(folder / "windows.npy", stream)
        columns = {"names": [law.name for law in kind.laws], "categorical": categorical}
        (folder / "columns.json").write_text(json.dumps(columns))
        del stream
        for name in NAMES:
            found |= answers(name, folder)
    return found


def answers(name: str, folder: Path) -> Answers:
    """Return what one peer says of the windows in a folder."""
    python = environment(name, REQUIREMENTS) / "bin" / "python"
    command = [str(python), "-m", f"bench.peers.{name}_rules", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    return {rule: np.load(folder / f"{rule}.npy") for rule in NAMES[name]}


def rows_of(
    random: np.random.Generator, kind: Traffic, rows: int, begins: float, days: int
) -> Floats:
    """Return rows spread over some days, in time order, shape `(n_rows, n_columns)`."""
    table, _ = kind.table(random, rows, begins, days * PER_DAY)
    return np.column_stack(list(table.values())).astype(np.float64)


def in_windows(
    random: np.random.Generator, kind: Traffic, rows: int, windows: int
) -> NDArray[np.float32]:
    """Return the same number of rows in every window, shape `(n_windows, n_rows, n_columns)`."""
    shifts = kind.shifts(random, LIVE_BEGINS, windows)
    found = np.empty((windows, rows, len(kind.laws)), np.float32)
    for number, shift in enumerate(shifts):
        for place, law in enumerate(kind.laws):
            values = law.rows(random, np.full(rows // kind.callers, shift[place]))
            found[number, :, place] = np.repeat(values, kind.callers)
    return found
