"""The project's images: collector and operator from its Dockerfile, and the demo's on top."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import base_image
from .buildah import Buildah
from .layout import Layout
from .settings import CHECKOUT
from .shell import locked, step

TARGETS = ("collector", "operator")
# What .dockerignore lets into the build, and what the stages with the libraries are made of.
_INPUTS = ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "operator")
_LIBRARIES = ("Dockerfile", "pyproject.toml", "uv.lock")


def layout(cache: Path) -> Layout:
    """Return where the project's images are kept."""
    return Layout(cache / "images" / "project")


def image_name(part: str, version: str) -> str:
    """Return the name of an image of the project."""
    return f"localhost/modelmonitor-{part}:{version}"


def version() -> str:
    """Return a digest of everything that enters the collector's and the operator's image."""
    return _digest(_INPUTS, libraries_version())


def build(cache: Path, tag: str | None = None) -> list[str]:
    """Build the collector's and the operator's image and return their names, in this order.

    Parameters
    ----------
    cache
        Folder that keeps layers and images between builds.
    tag
        Tag of the images. By default the digest of their sources, and what exists is not built
        again.
    """
    tags = [image_name(target, tag or version()) for target in TARGETS]
    with locked(cache / "locks" / "project-images"):
        _build_project(cache, tags, again=tag is not None)
    return tags


def _build_project(cache: Path, tags: list[str], *, again: bool) -> None:
    if not again and set(tags) <= set(layout(cache).tags()):
        return
    buildah = Buildah(cache)
    buildah.prepare()
    with step(f"images {', '.join(tags)}"):
        with ThreadPoolExecutor() as pool:
            targets = zip(TARGETS, tags, strict=True)
            for build_ in [pool.submit(_build_target, buildah, *each) for each in targets]:
                build_.result()
        for tag in tags:
            buildah.export(tag, layout(cache))
        buildah.tidy()


def _build_target(buildah: Buildah, target: str, tag: str) -> None:
    """Build one target of the project's Dockerfile.

    The stage with all libraries is built apart and named by what shapes it: buildah would
    otherwise read half a gigabyte at each build to find that it has not changed.
    """
    stage = f"{target}-runtime"
    libraries = image_name(stage, libraries_version())
    if not buildah.has(libraries):
        with step(f"libraries of the {target}"):
            buildah.build(libraries, CHECKOUT, target=stage)
    buildah.build(tag, CHECKOUT, target=target, stages={stage: libraries})


def libraries_version() -> str:
    """Return a digest of what decides which libraries the images carry."""
    return _digest(_LIBRARIES, base_image.fingerprint())


def _digest(names: Iterable[str], seed: str) -> str:
    digest = hashlib.sha256(seed.encode())
    for path in _files(names):
        digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        top = CHECKOUT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
