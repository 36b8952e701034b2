"""The command line: `python3 tests/cluster COMMAND`."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import images, lifecycle, settings
from .settings import Settings
from .shell import ClusterError, log
from .toolchain import Toolchain

Arguments = argparse.Namespace


def main() -> None:
    """Run one command; errors are one line and exit code 1."""
    arguments = _parser().parse_args()
    _log_to_stderr()
    command: Callable[[Settings, Arguments], None] = arguments.command
    try:
        command(settings.from_environment(), arguments)
    except (ClusterError, ValueError) as error:
        log.error("%s", error)
        raise SystemExit(1) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 tests/cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[Settings, Arguments], None]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        added.set_defaults(command=command)
        return added

    add("build", _build)
    add("up", _up)
    add("down", _down)
    add("kubeconfig", _kubeconfig)
    load = add("load-image", _load_image)
    load.add_argument("archives", nargs="+", type=Path, help="archives as `docker save` writes")
    return parser


def _build(chosen: Settings, _: Arguments) -> None:
    """Compile Kubernetes, CoreDNS and Helm into the cache."""
    Toolchain(chosen.cache).build()


def _up(chosen: Settings, _: Arguments) -> None:
    """Switch the cluster on, or repair it."""
    _need_root()
    lifecycle.up(chosen)
    log.info("export KUBECONFIG=%s PATH=%s:$PATH", chosen.kubeconfig, chosen.programs)


def _down(chosen: Settings, _: Arguments) -> None:
    """Switch the cluster off and remove every trace of it."""
    _need_root()
    lifecycle.down(chosen)


def _kubeconfig(chosen: Settings, _: Arguments) -> None:
    """Print the path of the administrator's kubeconfig."""
    if not chosen.kubeconfig.exists():
        raise ClusterError(f"cluster {chosen.name} does not exist; `up` creates it")
    sys.stdout.write(f"{chosen.kubeconfig}\n")


def _load_image(chosen: Settings, arguments: Arguments) -> None:
    """Import image archives on all nodes."""
    _need_root()
    images.load(chosen, arguments.archives)


def _need_root() -> None:
    if os.geteuid():
        raise ClusterError("namespaces of a whole machine need root: run this with sudo")


class _Elapsed(logging.Formatter):
    def __init__(self) -> None:
        super().__init__()
        self._started = time.time()

    def format(self, record: logging.LogRecord) -> str:
        seconds = record.created - self._started
        prefix = "error: " if record.levelno >= logging.ERROR else ""
        return f"[{seconds:6.1f} s] {prefix}{record.getMessage()}"


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Elapsed())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
