"""Image archives in the layout of `docker save`, which every container tool reads."""

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .shell import ClusterError

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this machine's architecture in the words of container images."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def write(
    path: Path, tag: str, files: Mapping[str, Path], *, entrypoint: Sequence[str] = ()
) -> None:
    """Write an image of one layer.

    Parameters
    ----------
    path
        The archive; it appears only when it is complete.
    tag
        Name of the image, as ``localhost/name:version``.
    files
        Path in the image → file or folder of this machine, with owners and modes as they are.
    entrypoint
        Program that the image starts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    layer, unfinished = path.with_suffix(".layer"), path.with_suffix(".unfinished")
    with tarfile.open(layer, "w") as tar:
        for target, source in files.items():
            tar.add(source, arcname=target.lstrip("/") or ".")
    digest = _sha256(layer)
    config = json.dumps(_config(digest, entrypoint)).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": [f"{digest}.tar"]}]
    with tarfile.open(unfinished, "w") as tar:
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        _add(tar, config_name, config)
        tar.add(layer, arcname=f"{digest}.tar")
    layer.unlink()
    unfinished.rename(path)


def tags_and_digest(path: Path) -> tuple[list[str], str]:
    """Return the names of the image in an archive and the digest of its configuration."""
    with tarfile.open(path) as tar:
        member = tar.extractfile("manifest.json")
        if member is None:
            raise ClusterError(f"{path} is not an image archive: it has no manifest.json")
        [manifest] = json.load(member)
    return manifest["RepoTags"], manifest["Config"]


def _config(digest: str, entrypoint: Sequence[str]) -> dict[str, Any]:
    return {
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Env": [f"PATH={os.defpath}:/usr/local/bin:/usr/sbin:/sbin"],
            "Entrypoint": list(entrypoint) or None,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "tests/cluster"}],
    }


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
