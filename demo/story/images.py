"""The three images of the demo: modelmonitor's operator and collector, and the flights' own."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.story.kubectl import find_program

CHECKOUT: Final = Path(__file__).resolve().parents[2]
DEMO: Final = CHECKOUT / "demo"

_SOURCES: Final = (
    "Dockerfile",
    "README.md",
    "demo/Dockerfile",
    "demo/__init__.py",
    "demo/data.txt",
    "demo/flights",
    "demo/requirements.txt",
    "operator",
    "pyproject.toml",
    "uv.lock",
)


class ImageError(RuntimeError):
    """An image could not be built or brought to the cluster; the message says why."""


@dataclass(frozen=True)
class Images:
    """Names of the images, `repository:tag`, as the cluster's nodes know them."""

    operator: str
    collector: str
    demo: str

    def all(self) -> tuple[str, str, str]:
        """Return all names, in the order in which they build on each other."""
        return self.operator, self.collector, self.demo


def named(registry: str, tag: str) -> Images:
    """Return the images' names in one registry."""
    operator, collector, demo = (
        f"{registry}/modelmonitor-{part}:{tag}" for part in ("operator", "collector", "demo")
    )
    return Images(operator, collector, demo)


def version() -> str:
    """Return a tag made of everything that enters the images, so that it changes with them."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def build_with_docker(images: Images, environment: Mapping[str, str]) -> None:
    """Build all three images with a container engine, with its output for the reader to see."""
    for part, image in (("operator", images.operator), ("collector", images.collector)):
        docker(environment, "build", "--target", part, "--tag", image, str(CHECKOUT))
    base = f"OPERATOR_IMAGE={images.operator}"
    docker(environment, "build", "--build-arg", base, "--tag", images.demo, str(DEMO))


def docker(environment: Mapping[str, str], *arguments: str) -> None:
    """Run `docker`.

    Raises
    ------
    ImageError
        If it fails.
    """
    program = find_program("docker", environment)
    done = subprocess.run([program, *arguments], env=environment, check=False)
    if done.returncode:
        raise ImageError(f"docker {' '.join(arguments)} failed with code {done.returncode}")


def _files() -> list[Path]:
    found: list[Path] = []
    for name in _SOURCES:
        path = CHECKOUT / name
        found += [path] if path.is_file() else path.rglob("*.py")
    return sorted(found)
