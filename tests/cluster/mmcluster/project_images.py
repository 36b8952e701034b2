"""Building the project's images from its Dockerfile with buildah, without a container engine."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import base_image
from .layout import Layout
from .settings import CHECKOUT
from .shell import Argument, locked, log, run, step, succeeds

TARGETS = ("collector", "operator")
# Everything that .dockerignore lets into the build.
_INPUTS = ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml", "uv.lock")
_HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Images of earlier builds that stay, so that going back to another branch is quick.
_KEPT_IMAGES = 8
# Build steps that may pile up in buildah's store, each an image to it; a build adds about six.
_MOST_STEPS = 150


def content_hash() -> str:
    """Return a digest of all files that enter the images."""
    digest = hashlib.sha256()
    for path in _input_files():
        digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def image_name(target: str, version: str, registry: str = "localhost") -> str:
    """Return the full name of an image of the project."""
    return f"{registry}/modelmonitor-{target}:{version}"


def layout(cache: Path) -> Layout:
    """Return where the project's images are kept."""
    return Layout(cache / "images" / "project")


def build(cache: Path, version: str | None = None) -> list[str]:
    """Build the collector's and the operator's image and return their names, in this order.

    Images of exactly these sources are not built again, except under a version that can mean
    different things.

    Parameters
    ----------
    cache
        Folder that keeps layers and images between builds.
    version
        Tag of the images, by default the digest of their content.
    """
    content = content_hash()
    tags = [image_name(target, version or content) for target in TARGETS]
    images = layout(cache)
    with locked(cache / "locks" / "project-images"):
        missing = version not in {None, content} or not set(tags) <= set(images.tags())
        if missing:
            buildah = Buildah(cache)
            buildah.discard_old_layers()
            buildah.ensure_base()
            with step(f"images {', '.join(tags)}"), ThreadPoolExecutor() as pool:
                builds = [pool.submit(buildah.build, *each) for each in zip(TARGETS, tags, strict=True)]
                for build, tag in zip(builds, tags, strict=True):
                    build.result()
                    buildah.export(tag, images)
            for tag in tags:
                log.info("%s: layers of %d MiB", tag, images.layer_bytes(tag) >> 20)
            images.keep([*[tag for tag in images.tags() if tag not in tags][-_KEPT_IMAGES:], *tags])
    return tags


def _runtime_hash() -> str:
    inputs = [CHECKOUT / name for name in ("Dockerfile", "pyproject.toml", "uv.lock")]
    content = b"".join(path.read_bytes() for path in inputs)
    return hashlib.sha256(content + base_image.fingerprint().encode()).hexdigest()[:12]


def _input_files() -> Iterator[Path]:
    for name in _INPUTS:
        yield CHECKOUT / name
    for path in sorted((CHECKOUT / "operator").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


@dataclass(frozen=True)
class Buildah:
    """buildah with a store of its own below the cache."""

    cache: Path

    def ensure_base(self) -> None:
        """Bring the local base image into the store."""
        images = base_image.ensure(self.cache)
        if not self._has(base_image.BASE_IMAGE):
            self._run("pull", f"oci:{images.folder}:{base_image.BASE_IMAGE}")

    def build(self, target: str, tag: str) -> None:
        """Build one target of the Dockerfile on the local base.

        The stage with all libraries is built apart and named by what shapes it: buildah would
        otherwise read half a gigabyte at each build to find that it has not changed.
        """
        stage = f"{target}-runtime"
        runtime = f"localhost/modelmonitor-{stage}:{_runtime_hash()}"
        if not self._has(runtime):
            with step(f"libraries of the {target}"):
                self._build(stage, runtime)
        self._build(target, tag, "--build-context", f"{stage}=container-image://{runtime}")

    def export(self, tag: str, images: Layout) -> None:
        """Write an image into a layout."""
        self._run("push", "--quiet", tag, f"oci:{images.folder}:{tag}")

    def push(self, tag: str, destination: str) -> None:
        """Push an image to a registry, with the user's own credentials for it."""
        self._run("push", "--quiet", tag, f"docker://{destination}")

    def discard_old_layers(self) -> None:
        """Start from an empty store when many builds have left their steps in it."""
        if len(self._run("images", "--all", "--quiet").split()) > _MOST_STEPS:
            log.info("emptying the store of build steps; this build starts from the beginning")
            self._run("rmi", "--all", "--force")

    def _build(self, target: str, tag: str, *options: str) -> None:
        self._run(
            *("build", "--layers", "--isolation", "chroot", "--network", "host"),
            *("--build-arg", f"BASE_IMAGE={base_image.BASE_IMAGE}", "--pull-never"),
            *self._host_certificates(),
            *options,
            *("--target", target, "--tag", tag, CHECKOUT),
        )

    def _has(self, tag: str) -> bool:
        return succeeds(*self._command("inspect", "--type", "image", tag))

    def _host_certificates(self) -> list[str]:
        """Let build steps trust what this machine trusts; nothing of it stays in an image."""
        if not _HOST_CERTIFICATES.exists():
            return []
        folder = self.cache / "build-trust"
        folder.mkdir(parents=True, exist_ok=True)
        pip, uv = folder / "pip.conf", folder / "uv.toml"
        pip.write_text(f"[global]\ncert = {_HOST_CERTIFICATES}\n")
        uv.write_text("system-certs = true\n")
        mounts = {
            _HOST_CERTIFICATES.parent: _HOST_CERTIFICATES.parent,
            pip: Path("/etc/pip.conf"),
            uv: Path("/etc/uv/uv.toml"),
        }
        return [f"--volume={source}:{target}:ro" for source, target in mounts.items()]

    def _command(self, *arguments: Argument) -> tuple[Argument, ...]:
        store = self.cache / "containers"
        places = ("--root", store / "storage", "--runroot", store / "run")
        return ("buildah", *places, "--storage-driver", "overlay", *arguments)

    def _run(self, *arguments: Argument) -> str:
        temporary = self.cache / "containers" / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return run(*self._command(*arguments), env={**os.environ, "TMPDIR": str(temporary)})
