"""A folder of images in the OCI image layout: blobs named by digest, so nothing is stored twice.

buildah writes its results here, and nodes receive from here only the layers they lack.
"""

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .shell import ClusterError

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NAME = "org.opencontainers.image.ref.name"
# containerd takes full names from here; the key above is meant for bare tags.
_CONTAINERD_NAME = "io.containerd.image.name"
_MARKER = "oci-layout"
_TYPE = "application/vnd.oci.image"

Json = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """The images in one folder."""

    folder: Path

    def tags(self) -> list[str]:
        """Return the names of all images, oldest first."""
        return list(self._entries())

    def digest(self, tag: str) -> str:
        """Return the digest of an image's manifest."""
        digest: str = self._entry(tag)["digest"]
        return digest

    def layer_bytes(self, tag: str) -> int:
        """Return the size of an image's layers in bytes."""
        layers = self._read(self.digest(tag))["layers"]
        return sum(int(layer["size"]) for layer in layers)

    def add(self, tag: str, files: Mapping[str, Path], *, entrypoint: Sequence[str] = ()) -> None:
        """Add an image of one layer.

        Parameters
        ----------
        tag
            Name of the image, as ``localhost/name:version``; an older one of that name goes.
        files
            Path in the image → file or folder of this machine, with owners and modes as they are.
        entrypoint
            Program that the image starts.
        """
        layer = self._write_layer(files)
        config = self._write(
            {
                "architecture": architecture(),
                "os": "linux",
                "config": {
                    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                    "Entrypoint": list(entrypoint) or None,
                },
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
                "history": [{"created_by": "tests/cluster"}],
            },
            f"{_TYPE}.config.v1+json",
        )
        media_type = f"{_TYPE}.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config}
        entry = self._write({**manifest, "layers": [layer]}, media_type)
        kept = [other for name, other in self._entries().items() if name != tag]
        self._write_index([*kept, {**entry, "annotations": {_NAME: tag}}])

    def keep(self, tags: Collection[str]) -> None:
        """Forget all other images and delete the blobs that nobody needs any more."""
        self._write_index(entry for name, entry in self._entries().items() if name in tags)
        needed = {digest for tag in self.tags() for digest in self._blobs(tag)}
        for blob in (self.folder / "blobs" / "sha256").iterdir():
            if f"sha256:{blob.name}" not in needed:
                blob.unlink()

    def export(self, tag: str, output: IO[bytes], *, without: Collection[str] = ()) -> None:
        """Write an image as a tar archive, leaving out blobs that the receiver has."""
        entry = self._entry(tag)
        entry = {**entry, "annotations": {_NAME: tag, _CONTAINERD_NAME: tag}}
        index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        with tarfile.open(fileobj=output, mode="w|") as tar:
            _add(tar, _MARKER, json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
            _add(tar, "index.json", index)
            for digest in self._blobs(tag):
                if digest not in without:
                    tar.add(self._path(digest), arcname=f"blobs/{digest.replace(':', '/')}")

    def _entry(self, tag: str) -> Json:
        entries = self._entries()
        if tag not in entries:
            known = ", ".join(entries) or "none"
            raise ClusterError(f"image {tag} has not been built; known are: {known}")
        return entries[tag]

    def _blobs(self, tag: str) -> list[str]:
        digest = self.digest(tag)
        manifest = self._read(digest)
        layers = [layer["digest"] for layer in manifest["layers"]]
        # An image without changes of its own may name a layer twice.
        return list(dict.fromkeys([digest, manifest["config"]["digest"], *layers]))

    def _entries(self) -> dict[str, Json]:
        path = self.folder / "index.json"
        if not path.exists():
            return {}
        entries = json.loads(path.read_text())["manifests"]
        # An image whose name went to a newer one stays in the index without a name.
        named = [entry for entry in entries if _NAME in entry.get("annotations", {})]
        return {entry["annotations"][_NAME]: entry for entry in named}

    def _write_index(self, entries: Iterable[Json]) -> None:
        _replace(self.folder / _MARKER, json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        index = {"schemaVersion": 2, "manifests": list(entries)}
        _replace(self.folder / "index.json", json.dumps(index, indent=1).encode())

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    def _read(self, digest: str) -> Json:
        content: Json = json.loads(self._path(digest).read_bytes())
        return content

    def _write(self, content: Json, media_type: str) -> Json:
        data = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        _replace(self._path(digest), data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _write_layer(self, files: Mapping[str, Path]) -> Json:
        blobs = self.folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        unfinished = blobs / f".{os.getpid()}"
        with tarfile.open(unfinished, "w") as tar:
            for target, source in files.items():
                tar.add(source, arcname=target.lstrip("/") or ".")
        with unfinished.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        size = unfinished.stat().st_size
        unfinished.replace(self._path(digest))
        return {"mediaType": f"{_TYPE}.layer.v1.tar", "digest": digest, "size": size}


def architecture() -> str:
    """Return this machine's architecture in the words of container images."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
