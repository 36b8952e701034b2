"""Building the demo's image on top of the operator's."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from . import base_image
from .buildah import Buildah
from .project_images import image_name, layout
from .settings import CHECKOUT
from .shell import locked, step

_CONTEXT = CHECKOUT / "demo"
# What shapes the libraries and the flights, without the programs that use them.
_RUNTIME_INPUTS = (
    "Dockerfile",
    "__init__.py",
    "data.txt",
    "flights/__init__.py",
    "flights/columns.py",
    "flights/prepare.py",
    "requirements.txt",
)


def build(cache: Path, operator: str) -> str:
    """Build the demo's image and return its name, unless it is there for exactly these sources.

    Parameters
    ----------
    cache
        Folder that keeps layers and images between builds.
    operator
        Name of the operator's image, in the layout of the project's images.
    """
    runtime_files = [_CONTEXT / name for name in _RUNTIME_INPUTS]
    files = sorted({*runtime_files, *(_CONTEXT / "flights").glob("*.py")})
    tag = image_name("demo", _digest(files, operator))
    images = layout(cache)
    with locked(cache / "locks" / "project-images"):
        if tag in images.tags():
            return tag
        buildah = Buildah(cache)
        buildah.prepare()
        buildah.fetch(operator, images)
        runtime = image_name("demo-runtime", _digest(runtime_files, base_image.fingerprint()))
        if not buildah.has(runtime):
            with step("model server, libraries and flights of the demo"):
                buildah.build(runtime, _CONTEXT, target="runtime")
        with step(f"image {tag}"):
            buildah.build(
                tag,
                _CONTEXT,
                target="demo",
                arguments={"OPERATOR_IMAGE": operator},
                stages={"runtime": runtime},
            )
            buildah.export(tag, images)
            buildah.tidy()
    return tag


def _digest(files: Iterable[Path], *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for path in files:
        digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
