"""The images that users run: what is in them, and what is not."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.mmcluster import project_images
from tests.cluster.mmcluster.layout import Layout
from tests.cluster.mmcluster.settings import CHECKOUT, default_cache

MOST_COLLECTOR_BYTES = 120_000_000
PACKAGES = "/opt/modelmonitor/lib/python3.11/site-packages/"


@dataclass(frozen=True)
class Image:
    """An image's configuration, and its files beyond the base with their sizes in bytes."""

    config: dict[str, Any]
    files: dict[str, int]

    def libraries(self) -> set[str]:
        """Return the top-level names of what can be imported beside our own code."""
        names = [name.removeprefix(PACKAGES) for name in self.files if name.startswith(PACKAGES)]
        return {name.split("/")[0].split(".")[0] for name in names}


@pytest.fixture(scope="module")
def built() -> dict[str, Image]:
    """Build both images and read them."""
    cache = default_cache()
    tags = project_images.build(cache)
    layout = project_images.layout(cache)
    return {t: _read(layout, tag) for t, tag in zip(project_images.TARGETS, tags, strict=True)}


pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_the_collector_adds_little_to_its_base(built: dict[str, Image]) -> None:
    assert sum(built["collector"].files.values()) <= MOST_COLLECTOR_BYTES


def test_the_collector_carries_nothing_of_the_operator(built: dict[str, Image]) -> None:
    libraries = built["collector"].libraries()
    assert {"aiohttp", "numpy", "uvloop"} <= libraries
    assert libraries.isdisjoint({"kopf", "kubernetes", "pyarrow", "pydantic", "scipy"})


def test_the_operator_carries_its_libraries(built: dict[str, Image]) -> None:
    assert {"kopf", "kubernetes", "pyarrow", "pydantic", "scipy"} <= built["operator"].libraries()


@pytest.mark.parametrize("target", project_images.TARGETS)
def test_both_start_our_program_without_root(built: dict[str, Image], target: str) -> None:
    config = built[target].config
    assert config["Entrypoint"] == ["modelmonitor"]
    user, _, group = config["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert "/opt/code/bin/modelmonitor" in built[target].files


@pytest.mark.parametrize("target", project_images.TARGETS)
def test_nothing_of_the_machine_that_built_them_is_inside(
    built: dict[str, Image], target: str
) -> None:
    # The certificates and the settings of pip and uv were lent to the build's steps only.
    outside = {name for name in built[target].files if not name.startswith("/opt/")}
    assert outside == set()
    assert not any("certificates" in variable for variable in built[target].config["Env"])


def test_a_change_of_the_code_changes_the_tag_but_not_the_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("Dockerfile", "pyproject.toml", "uv.lock"):
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    module = tmp_path / "operator" / "modelmonitor" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("old = 1\n")
    monkeypatch.setattr(project_images, "CHECKOUT", tmp_path)
    version, libraries = project_images.version(), project_images.libraries_version()
    module.write_text("new = 1\n")
    assert project_images.version() != version
    assert project_images.libraries_version() == libraries
    (tmp_path / "uv.lock").write_text("version = 2\n")
    assert project_images.libraries_version() != libraries


def _read(layout: Layout, tag: str) -> Image:
    archive = io.BytesIO()
    layout.export(tag, archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:

        def blob(digest: str) -> bytes:
            member = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert member is not None
            return member.read()

        manifest = json.loads(blob(layout.digest(tag)))
        config = json.loads(blob(manifest["config"]["digest"]))["config"]
        _, *added = manifest["layers"]  # the first one is the base
        files = dict(each for layer in added for each in _files(blob(layer["digest"])))
    return Image(config, files)


def _files(layer: bytes) -> Iterator[tuple[str, int]]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        for member in tar:
            if not member.isdir():
                yield f"/{member.name.lstrip('./')}", member.size


def test_a_build_leaves_nothing_mounted() -> None:
    cache = default_cache()
    project_images.build(cache, "mounts")
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    assert not [path for path in mounted if path.startswith(f"{cache}/") and "/merged" in path]
