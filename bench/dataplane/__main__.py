"""Measure the data path beside its peers: `make bench-dataplane`.

Everything runs on this machine, in a network of its own; two processors are needed, and nobody else
should use them. Prints one `BAR` line a measure and ends with 0 if the run was sound and all hold.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.dataplane import (
    closed_loop,
    companions,
    fidelity,
    footprint,
    isolation,
    nginx,
    open_loop,
)
from bench.dataplane.candidates import MODEL_PORT, Candidates
from bench.dataplane.install import Programs, install
from bench.dataplane.load import Load
from bench.dataplane.machine import CLIENT_CPU, others_use, require_processors
from bench.dataplane.report import Bar, UnsoundRunError, summary
from bench.dataplane.scale import FULL, QUICK, Scale
from bench.dataplane.traffic import PATH, request_body, response_body
from tests.cluster.mmcluster.shell import ClusterError, log, step

Measure = Callable[[Load, Candidates, Scale], list[Bar]]
MEASURES: Final[dict[str, Measure]] = {
    "open": open_loop.measure,
    "closed": closed_loop.measure,
    "latency": fidelity.measure,
    "memory": footprint.measure,
}
_LISTEN_SECONDS: Final = 2.0
"""How long the machine is listened to before each measure."""


def main(words: Sequence[str]) -> int:
    """Run the measures and return the exit status."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    began = time.monotonic()
    scale = QUICK if arguments.quick else FULL
    try:
        require_processors()
        programs = install()
        isolation.enter(words)
        lines, doubts = _run(arguments.only, scale, programs)
        for companion in arguments.beside:
            more, failed = companions.run(companion, quick=arguments.quick)
            lines += more
            doubts += failed
    except (ClusterError, UnsoundRunError) as error:
        log.error("%s", error)
        return 1
    text, well = summary(lines, doubts)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\n{text}\n  took {minutes}m{seconds:02d}s", flush=True)
    return 0 if well else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-dataplane", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="minutes, and figures of no worth")
    parser.add_argument(
        "--only",
        nargs="*",
        choices=[*MEASURES],
        default=[*MEASURES],
        help="measures beside nginx, aiohttp and KServe's agent; all if not given",
    )
    parser.add_argument(
        "--beside",
        nargs="*",
        choices=[*companions.COMPANIONS],
        default=[*companions.COMPANIONS],
        help="further programs whose bars count; all if not given",
    )
    return parser


def _run(names: Sequence[str], scale: Scale, programs: Programs) -> tuple[list[str], list[str]]:
    """Return the `BAR` lines, and reasons to doubt them."""
    lines: list[str] = []
    doubts: list[str] = []
    with tempfile.TemporaryDirectory(prefix="modelmonitor-bench-") as temporary:
        folder = Path(temporary)
        body = folder / "request.json"
        body.write_bytes(request_body())
        load = Load(openloop=programs.openloop, wrk=programs.wrk, path=PATH, body=body)
        candidates = Candidates(programs=programs, folder=folder)
        # What only waits must not wait on the processor that is measured.
        os.sched_setaffinity(0, {CLIENT_CPU})
        with nginx.running_model(
            programs.nginx, folder, cpu=CLIENT_CPU, port=MODEL_PORT, body=response_body()
        ):
            for name in names:
                doubts += _noise(name, scale)
                try:
                    with step(f"measuring: {name}"):
                        bars = MEASURES[name](load, candidates, scale)
                except UnsoundRunError as error:
                    doubts.append(f"{name}: {error}")
                    continue
                for bar in bars:
                    print(bar, flush=True)
                lines += [str(bar) for bar in bars]
    return lines, doubts


def _noise(name: str, scale: Scale) -> list[str]:
    used = others_use(_LISTEN_SECONDS)
    log.info("others use %.2f processors", used)
    if used <= scale.quiet:
        return []
    return [f"{name}: others used {used:.1f} processors, allowed are {scale.quiet}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
