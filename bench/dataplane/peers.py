"""The measures beside nginx, aiohttp and KServe's agent.

python -m bench.dataplane.peers [--quick] MEASURE…

Run by `python -m bench.dataplane`, in a network of its own.
"""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.dataplane import closed_loop, fidelity, footprint, isolation, nginx, open_loop, ruler
from bench.dataplane.candidates import MODEL_PORT, Candidates
from bench.dataplane.install import install
from bench.dataplane.load import Load
from bench.dataplane.machine import CLIENT_CPU, others_use
from bench.dataplane.scale import FULL, QUICK, Scale
from bench.dataplane.stages import UNSOUND
from bench.dataplane.traffic import PATH, request_body, response_body
from bench.report import Bar, UnsoundRunError
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
    """Run the measures in the order of their names and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.dataplane.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="+", choices=[*MEASURES], metavar="MEASURE")
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # What only waits must not wait on the processor that is measured.
    os.sched_setaffinity(0, {CLIENT_CPU})
    try:
        isolation.prepare()
        sound = _run(arguments.names, QUICK if arguments.quick else FULL)
    except (ClusterError, UnsoundRunError) as error:
        sound = _doubt(str(error))
    return 0 if sound else 1


def _run(names: Sequence[str], scale: Scale) -> bool:
    """Print the bars; return whether they can be believed."""
    programs = install()
    sound = True
    with tempfile.TemporaryDirectory(prefix="modelmonitor-bench-") as temporary:
        folder = Path(temporary)
        body = folder / "request.json"
        body.write_bytes(request_body())
        load = Load(openloop=programs.openloop, wrk=programs.wrk, path=PATH, body=body)
        ruler.check(load)
        candidates = Candidates(programs=programs, folder=folder)
        with nginx.running_model(
            programs.nginx, folder, cpu=CLIENT_CPU, port=MODEL_PORT, body=response_body()
        ):
            for name in names:
                sound &= _is_quiet(name, scale)
                try:
                    with step(f"measuring: {name}"):
                        bars = MEASURES[name](load, candidates, scale)
                except UnsoundRunError as error:
                    sound = _doubt(f"{name}: {error}")
                    continue
                print(*bars, sep="\n", flush=True)
    return sound


def _is_quiet(name: str, scale: Scale) -> bool:
    used = others_use(_LISTEN_SECONDS)
    log.info("others use %.2f processors", used)
    if used <= scale.quiet:
        return True
    return _doubt(f"{name}: others used {used:.2f} processors, allowed are {scale.quiet:g}")


def _doubt(reason: str) -> bool:
    """Say why the run is not sound."""
    print(UNSOUND + " ".join(reason.split()), flush=True)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
