"""The command line: `python3 tests/cluster COMMAND`."""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import (
    bootstrap,
    demo_image,
    images,
    lifecycle,
    machines,
    network,
    project_images,
    settings,
    status,
)
from .apiserver import running_apiserver
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

    def add(
        name: str, command: Callable[[Settings, Arguments], None], *aliases: str
    ) -> argparse.ArgumentParser:
        text = command.__doc__
        added = commands.add_parser(name, aliases=aliases, help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("bootstrap", _bootstrap)
    add("build", _build)
    add("up", _up)
    add("down", _down)
    add("status", _status)
    add("kill", _kill).add_argument("machine", help="cp, n1, n2 …")
    link = add("link", _link)
    link.add_argument("node", help="n1, n2 …")
    link.add_argument("state", choices=["up", "down"])
    add("kubeconfig", _kubeconfig)
    add("apiserver", _apiserver)
    load = add("load-image", _load_image)
    load.add_argument("archives", nargs="+", type=Path, help="archives as `docker save` writes")
    build_images = add("build-images", _build_images, "images")
    build_images.add_argument("--tag", help="version of the images (default: digest of the code)")
    build_images.add_argument("--demo", action="store_true", help="also build the demo's image")
    build_images.add_argument("--load", action="store_true", help="also load them on the nodes")
    return parser


def _bootstrap(_chosen: Settings, _: Arguments) -> None:
    """Install the Debian packages that are missing."""
    bootstrap.ensure_packages()


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


def _status(chosen: Settings, _: Arguments) -> None:
    """Say what runs and what it costs."""
    sys.stdout.write(status.report(chosen))


def _kill(chosen: Settings, arguments: Arguments) -> None:
    """Kill a machine with everything on it, as if its power were cut."""
    if not machines.by_name(chosen, arguments.machine).kill():
        raise ClusterError(f"machine {arguments.machine} is off")


def _link(chosen: Settings, arguments: Arguments) -> None:
    """Pull a node's network cable or plug it in."""
    network.set_link(machines.by_name(chosen, arguments.node), up=arguments.state == "up")


def _kubeconfig(chosen: Settings, _: Arguments) -> None:
    """Print the path of the administrator's kubeconfig."""
    if not chosen.kubeconfig.exists():
        raise ClusterError(f"cluster {chosen.name} does not exist; `up` creates it")
    sys.stdout.write(f"{chosen.kubeconfig}\n")


def _apiserver(chosen: Settings, _: Arguments) -> None:
    """Run an API server without nodes on loopback until interrupted; prints its kubeconfig."""
    with running_apiserver(chosen.cache) as kubeconfig:
        sys.stdout.write(f"{kubeconfig}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            signal.pause()


def _load_image(chosen: Settings, arguments: Arguments) -> None:
    """Import image archives on all nodes."""
    _need_root()
    for archive in arguments.archives:
        images.load_archive(chosen, archive)


def _build_images(chosen: Settings, arguments: Arguments) -> None:
    """Build the project's images; prints their names."""
    _need_root()
    tags = project_images.build(chosen.cache, arguments.tag)
    if arguments.demo:
        tags.append(demo_image.build(chosen.cache, operator=tags[-1]))
    if arguments.load:
        images.load(chosen, project_images.layout(chosen.cache), tags)
    sys.stdout.writelines(f"{tag}\n" for tag in tags)


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
