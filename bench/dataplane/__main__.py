"""Measure the data path: `make bench-dataplane`.

Installs what is missing, runs the programs of `stages` and sums up. Two processors are needed, and
nobody else should use them. Ends with 0 if the run was sound and all bars hold.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence

from bench.dataplane import isolation, peers, stages
from bench.dataplane.install import install
from bench.dataplane.machine import require_processors
from bench.report import UnsoundRunError, summary
from tests.cluster.mmcluster.shell import ClusterError, log


def main(words: Sequence[str]) -> int:
    """Run what was asked for and return the exit status."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    began = time.monotonic()
    quick = ["--quick"] if arguments.quick else []
    beside = [stage for stage in stages.BESIDE if stage.name in arguments.only]
    outcomes = []
    try:
        if measures := [name for name in peers.MEASURES if name in arguments.only]:
            require_processors()
            install()
            outcomes.append(
                stages.run("bench.dataplane.peers", [*quick, *measures], isolation.prefix())
            )
    except (ClusterError, UnsoundRunError) as error:
        log.error("%s", error)
        return 1
    outcomes += [stages.run(stage.module, quick) for stage in beside]
    text, well = summary(
        [line for outcome in outcomes for line in outcome.lines],
        [doubt for outcome in outcomes for doubt in outcome.doubts],
    )
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\n{text}\n  took {minutes}m{seconds:02d}s", flush=True)
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.dataplane", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="to see that it works: figures of no worth"
    )
    names = [*peers.MEASURES, *(stage.name for stage in stages.BESIDE)]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, help="parts of it; all if not given"
    )
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        log.error("stopped: nothing was left behind")
        sys.exit(130)
