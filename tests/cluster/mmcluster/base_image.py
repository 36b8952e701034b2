"""The base of locally built images: a minimal Debian with Python 3.11, from Debian's packages.

Elsewhere the Dockerfile's default, an official Python image, takes its place.
"""

import hashlib
import shutil
from pathlib import Path

from .layout import Layout
from .shell import run, step

SUITE = "bookworm"
BASE_IMAGE = f"localhost/modelmonitor-base:{SUITE}"
_PACKAGES = ("ca-certificates", "python3", "python3-venv")
# Device files, package lists and manuals: nothing that a container reads.
_STRIPPED = (
    "dev/*",
    "usr/share/doc/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
    "var/log/*",
)


def fingerprint() -> str:
    """Return a digest of what the base image is made of."""
    return hashlib.sha256(repr((SUITE, _PACKAGES, _STRIPPED)).encode()).hexdigest()[:16]


def ensure(cache: Path) -> Layout:
    """Return the layout with the base image, made if it is missing (about a minute)."""
    layout = Layout(cache / "images" / f"base-{fingerprint()}")
    if BASE_IMAGE not in layout.tags():
        with step(f"base image from Debian {SUITE}"):
            _build(layout, cache / "base-root")
    return layout


def _build(layout: Layout, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", SUITE, root)
    for pattern in _STRIPPED:
        for unwanted in root.glob(pattern):
            if unwanted.is_dir() and not unwanted.is_symlink():
                shutil.rmtree(unwanted)
            else:
                unwanted.unlink()
    layout.add(BASE_IMAGE, {"/": root})
    shutil.rmtree(root)
