"""Bringing images onto the nodes."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from . import machines
from .layout import Layout
from .machines import Machine
from .nodes import ctr
from .settings import Settings
from .shell import ClusterError, log, run, step


def load(settings: Settings, layout: Layout, tags: Sequence[str]) -> None:
    """Import images on all nodes; a node that has exactly this image is left alone."""
    targets = list(product(machines.nodes(settings), tags))
    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(_load, node, layout, tag) for node, tag in targets]:
            result.result()
    for node in machines.nodes(settings):
        _forget_old(node, layout)


def load_archive(settings: Settings, archive: Path) -> None:
    """Import an archive as `docker save` writes it on all nodes."""
    for node in machines.nodes(settings):
        with step(f"{node.name}: loading {archive.name}"), archive.open("rb") as content:
            run(*ctr(node, "images", "import", "-"), stdin=content)


def _load(node: Machine, layout: Layout, tag: str) -> None:
    if _digests(node).get(tag) == layout.digest(tag):
        return
    with step(f"{node.name}: loading {tag}"):
        present = set(run(*ctr(node, "content", "list", "-q")).split())
        try:
            _import(node, layout, tag, present)
        except ClusterError as error:
            # containerd may have collected a layer between the question and the import.
            log.info("%s: loading all layers of %s, because %s", node.name, tag, error)
            _import(node, layout, tag, set())


def _import(node: Machine, layout: Layout, tag: str, present: set[str]) -> None:
    command = [str(part) for part in ctr(node, "images", "import", "-")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for")
        try:
            with process.stdin as archive:
                layout.export(tag, archive, without=present)
        except BrokenPipeError:  # its own message says more
            pass
        output = process.stdout.read().decode(errors="replace")
    if process.returncode or _digests(node).get(tag) != layout.digest(tag):
        raise ClusterError(f"containerd on {node.name} did not take {tag}:\n{output}")


def _forget_old(node: Machine, layout: Layout) -> None:
    """Remove images from a node that the layout has had and forgotten."""
    kept = set(layout.tags())
    repositories = {_repository(tag) for tag in kept}
    old = [tag for tag in _digests(node) if _repository(tag) in repositories and tag not in kept]
    if old:
        run(*ctr(node, "images", "remove", *old))


def _repository(tag: str) -> str:
    return tag.rpartition(":")[0]


def _digests(node: Machine) -> dict[str, str]:
    """Return name → digest of the images on a node."""
    lines = run(*ctr(node, "images", "list")).splitlines()[1:]
    return {fields[0]: fields[2] for fields in map(str.split, lines)}
