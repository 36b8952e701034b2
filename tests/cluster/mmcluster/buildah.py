"""buildah with a store of its own, and this machine's certificates lent to the build's steps."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import base_image
from .layout import Layout
from .shell import Argument, log, run, succeeds

_HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Build steps that may pile up in the store, each an image to it; a build adds about six.
_MOST_STEPS = 150
# Images that stay in a layout, so that going back to another branch is quick.
_KEPT_IMAGES = 15


@dataclass(frozen=True)
class Buildah:
    """Builds images on the local base, without a container engine."""

    cache: Path

    def prepare(self) -> None:
        """Bring the base image into the store, emptied first if too much has piled up in it."""
        self.tidy()
        if len(self._run("images", "--all", "--quiet").split()) > _MOST_STEPS:
            log.info("emptying the store of build steps; this build starts from the beginning")
            self._run("rmi", "--all", "--force")
        self.fetch(base_image.BASE_IMAGE, base_image.ensure(self.cache))

    def tidy(self) -> None:
        """Remove working containers, which builds leave mounted when a stage came from an image."""
        self._run("rm", "--all")

    def has(self, tag: str) -> bool:
        """Tell whether an image is in the store."""
        return succeeds(*self._command("inspect", "--type", "image", tag))

    def fetch(self, tag: str, images: Layout) -> None:
        """Bring an image of a layout into the store, unless it is there."""
        if self.has(tag):
            return
        # From a folder buildah would name the image after the folder; an archive says its name.
        with tempfile.NamedTemporaryFile(dir=self._temporary()) as archive:
            images.export(tag, archive)
            archive.flush()
            self._run("pull", f"oci-archive:{archive.name}")

    def build(
        self,
        tag: str,
        folder: Path,
        *,
        target: str = "",
        arguments: Mapping[str, str] | None = None,
        stages: Mapping[str, str] | None = None,
    ) -> None:
        """Build an image from the Dockerfile in a folder.

        Parameters
        ----------
        tag
            Name of the image.
        folder
            Context of the build.
        target
            Stage of the Dockerfile; the last one by default.
        arguments
            Build arguments beside ``BASE_IMAGE``.
        stages
            Stage → image of the store that stands for it and is not built again.
        """
        given = {"BASE_IMAGE": base_image.BASE_IMAGE, **(arguments or {})}
        self._run(
            *("build", "--layers", "--isolation", "chroot", "--network", "host", "--pull-never"),
            *(f"--build-arg={name}={value}" for name, value in given.items()),
            *(
                f"--build-context={stage}=container-image://{image}"
                for stage, image in (stages or {}).items()
            ),
            *self._host_certificates(),
            *(("--target", target) if target else ()),
            *("--tag", tag, folder),
        )

    def export(self, tag: str, images: Layout) -> None:
        """Write an image into a layout, which forgets its oldest images."""
        self._run("push", "--quiet", tag, f"oci:{images.folder}:{tag}")
        log.info("%s: layers of %d MiB", tag, images.layer_bytes(tag) >> 20)
        images.keep(images.tags()[-_KEPT_IMAGES:])

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
        environment = {**os.environ, "TMPDIR": str(self._temporary())}
        return run(*self._command(*arguments), env=environment)

    def _temporary(self) -> Path:
        folder = self.cache / "containers" / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
