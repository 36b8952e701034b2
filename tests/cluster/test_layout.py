"""Images as folders and archives."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster.mmcluster.layout import Layout
from tests.cluster.mmcluster.shell import ClusterError

FIRST, SECOND = "localhost/first:1", "localhost/second:1"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def layout(tmp_path: Path, program: Path) -> Layout:
    layout = Layout(tmp_path / "images")
    layout.add(FIRST, {"/program": program}, entrypoint=["/program"])
    return layout


def blobs(layout: Layout) -> set[str]:
    return {f"sha256:{path.name}" for path in (layout.folder / "blobs" / "sha256").iterdir()}


def exported(layout: Layout, tag: str, without: set[str]) -> dict[str, bytes]:
    output = io.BytesIO()
    layout.export(tag, output, without=without)
    output.seek(0)
    with tarfile.open(fileobj=output) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file}


def test_an_image_holds_its_files_and_starts_its_program(layout: Layout) -> None:
    files = exported(layout, FIRST, set())
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == FIRST
    manifest = json.loads(files[f"blobs/{entry['digest'].replace(':', '/')}"])
    config = json.loads(files[f"blobs/{manifest['config']['digest'].replace(':', '/')}"])
    assert config["config"]["Entrypoint"] == ["/program"]
    [layer] = manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    content = io.BytesIO(files[f"blobs/{layer['digest'].replace(':', '/')}"])
    with tarfile.open(fileobj=content) as tar:
        assert tar.getmember("program").mode == 0o755


def test_an_export_leaves_out_what_the_receiver_has(layout: Layout) -> None:
    everything = blobs(layout)
    assert len(everything) == 3
    assert set(exported(layout, FIRST, everything)) == {"oci-layout", "index.json"}


def test_a_new_image_takes_an_old_one_s_name(layout: Layout, program: Path) -> None:
    before = layout.digest(FIRST)
    program.write_text("#!/bin/sh\nexit 1\n")
    layout.add(FIRST, {"/program": program})
    assert layout.tags() == [FIRST]
    assert layout.digest(FIRST) != before


def test_forgetting_an_image_deletes_only_what_no_other_needs(
    layout: Layout, program: Path
) -> None:
    before = blobs(layout)
    layout.add(SECOND, {"/program": program})  # the same layer
    assert layout.tags() == [FIRST, SECOND]
    layout.keep([FIRST])
    assert layout.tags() == [FIRST]
    assert blobs(layout) == before


def test_an_index_entry_without_a_name_is_no_image(layout: Layout) -> None:
    index = layout.folder / "index.json"
    content = json.loads(index.read_text())
    content["manifests"].append({"digest": "sha256:0", "size": 1})
    index.write_text(json.dumps(content))
    assert layout.tags() == [FIRST]


def test_an_unknown_image_is_named_with_those_that_are_known(layout: Layout) -> None:
    with pytest.raises(ClusterError, match=f"{SECOND} has not been built; known are: {FIRST}"):
        layout.digest(SECOND)
