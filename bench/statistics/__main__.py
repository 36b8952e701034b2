"""Measure the verdicts: `make bench-statistics`.

Runs the tables, prints one `BAR` line a measure, and sums up. Ends with 0 if all bars hold.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from subprocess import SubprocessError
from typing import Final

# Before numpy is imported: one process is one core, and others want theirs.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from bench.report import summary
from bench.statistics.scale import full, quick
from bench.statistics.tables import NAMES, measure_of

log = logging.getLogger(__name__)

BAR: Final = "BAR "
TRIED: Final = "TRIED "
"""Begins the lines of a quick run, so that nobody takes them for measures."""
FAILURES: Final = (
    ArithmeticError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SubprocessError,
    ValueError,
)
"""What may happen to one table, such as a peer that cannot be installed."""


def main(words: Sequence[str]) -> int:
    """Run what was asked for and return the exit status."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    began = time.monotonic()
    scale = (quick if arguments.quick else full)(arguments.processes)
    lines: list[str] = []
    doubts = []
    for name in arguments.only:
        log.info("table %s", name)
        try:
            for bar in measure_of(name)(scale):
                line = TRIED + str(bar).removeprefix(BAR) if scale.quick else str(bar)
                print(line, flush=True)
                lines.append(line)
        except FAILURES as error:
            # The others are worth their hours all the same.
            log.exception("table %s ended early", name)
            doubts.append(f"{name} ended early: {error}")
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    took = f"took {minutes}m{seconds:02d}s"
    if scale.quick:
        words = "".join(f"\n  failed: {doubt}" for doubt in doubts)
        print(f"\ntried {len(lines)} measures, of no worth{words}\n  {took}", flush=True)
        return 1 if doubts else 0
    nothing = ("there was no bar to hold", True)
    text, well = summary(lines, doubts) if lines or doubts else nothing
    print(f"\n{text}\n  {took}", flush=True)
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.statistics", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="to see that it works: figures of no worth"
    )
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, help="tables; all if not given"
    )
    parser.add_argument(
        "--processes", type=int, default=min(2, os.cpu_count() or 1), help="that simulate at once"
    )
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
