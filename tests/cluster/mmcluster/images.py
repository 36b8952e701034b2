"""Bringing image archives onto the nodes."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from . import archive, machines
from .machines import Machine
from .nodes import ctr
from .settings import Settings
from .shell import run, step, write


def load(settings: Settings, archives: Iterable[Path]) -> None:
    """Import archives on all nodes, except where a node has exactly that image already."""
    targets = list(product(machines.nodes(settings), archives))
    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(_load, node, path) for node, path in targets]:
            result.result()


def _load(node: Machine, path: Path) -> None:
    tags, digest = archive.tags_and_digest(path)
    if _has(node, tags, digest):
        return
    with step(f"{node.name}: loading {', '.join(tags)}"), path.open("rb") as content:
        run(*ctr(node, "images", "import", "-"), stdin=content)
    for tag in tags:
        write(_record(node, tag), digest)


def _has(node: Machine, tags: list[str], digest: str) -> bool:
    # containerd knows names only; which build a name stands for is recorded beside it.
    present = set(run(*ctr(node, "images", "list", "-q")).split())
    records = [_record(node, tag) for tag in tags]
    return present >= set(tags) and all(
        record.exists() and record.read_text() == digest for record in records
    )


def _record(node: Machine, tag: str) -> Path:
    return node.folder / "images" / tag.replace("/", "_").replace(":", "_")
