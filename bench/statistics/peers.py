"""False alarms a day of peers' rules where nothing is wrong, each in an environment of its own.

A table without bars: it stands beside that of `nulls`. Everybody sees the same rows.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.report import MISSING, Bar, figure, table
from bench.statistics.laws import Floats
from bench.statistics.rules import Bonferroni, NannyML, Rule
from bench.statistics.scale import Scale, in_parallel
from bench.statistics.traffic import (
    BASELINE_BEGINS,
    BASELINE_DAYS,
    BASELINE_ROWS,
    DAY,
    LIVE_BEGINS,
    PANE,
    WINDOW_ROWS,
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


def measure(scale: Scale) -> Iterator[Bar]:
    """Print what every rule says; yield nothing."""
    install()
    traffic = kinds()
    jobs = [
        Asked(kind=kind, rows=rows, days=scale.peer_days)
        for rows in WINDOW_ROWS
        for kind, one in enumerate(traffic)
        if one.declared
    ]
    found: dict[int, dict[str, dict[int, tuple[float, float]]]] = {}
    for job, rules in in_parallel(scale, ask, jobs, "null streams, peers"):
        for rule, alarms in rules.items():
            each = float(alarms.any(axis=1).sum()) / job.days, float(alarms.sum()) / job.days
            found.setdefault(job.kind, {}).setdefault(rule, {})[job.rows] = each
    for kind, cells in sorted(found.items()):
        lines = [
            (rule, *(_pair(one.get(rows)) for rows in WINDOW_ROWS))
            for rule, one in sorted(cells.items())
        ]
        title = f"null streams, peers, {traffic[kind].name}: windows of 288 with an alarm / alarms"
        print(table(title, ["a day", *(f"n={rows}" for rows in WINDOW_ROWS)], lines), flush=True)
    yield from ()


def _pair(cell: tuple[float, float] | None) -> str:
    return MISSING if cell is None else f"{figure(cell[0])} / {figure(cell[1])}"


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
