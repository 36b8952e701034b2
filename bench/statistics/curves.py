"""Delay curves as a picture: share found over panes, one line a rule."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.statistics.laws import Ints
from bench.statistics.peers import PROJECT, REQUIREMENTS
from tests.interop.venvs import environment

FOLDER: Final = PROJECT / "build" / "bench-statistics"


def draw(delays: Mapping[str, Ints], rules: Sequence[str], panes: int, *, complete: bool) -> Path:
    """Return the picture of delays, shape `(n_trials, n_rules)` a shift, after writing it.

    Raises
    ------
    subprocess.CalledProcessError
        If it cannot be drawn.
    """
    title = "Share of shifts found" + ("" if complete else " (a quick run, of no worth)")
    shares = {
        name: {
            rule: [float((each[:, place] <= pane).mean()) for pane in range(1, panes + 1)]
            for place, rule in enumerate(rules)
        }
        for name, each in delays.items()
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = FOLDER / "delay.svg"
    python = environment("pictures", REQUIREMENTS) / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "bench.peers.delay_curves", str(target)],
        input=json.dumps({"title": title, "shares": shares}),
        cwd=PROJECT,
        text=True,
        check=True,
    )
    print(f"delay curves: {target}", flush=True)
    return target
