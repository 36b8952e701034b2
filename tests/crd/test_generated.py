"""What is checked in is what the models say."""

from pathlib import Path

import yaml

from modelmonitor.crd.definition import (
    MAX_BYTES,
    compact_bytes,
    crd_yaml,
    custom_resource_definition,
)
from modelmonitor.crd.generated import CHART_CRD_FILE, CRD_FILE, differing, write


def test_generated_files_are_up_to_date(root: Path) -> None:
    assert differing(root) == [], "run `make generate`"


def test_the_chart_ships_the_same_crd(root: Path) -> None:
    assert (root / CHART_CRD_FILE).read_bytes() == (root / CRD_FILE).read_bytes()


def test_writing_writes_only_what_differs(tmp_path: Path) -> None:
    written = write(tmp_path)
    assert CRD_FILE in written
    assert differing(tmp_path) == []
    (tmp_path / CRD_FILE).write_text("something else")
    assert write(tmp_path) == [CRD_FILE]


def test_the_crd_is_small_enough_for_client_side_apply() -> None:
    size = compact_bytes()
    print(f"CRD: {size} bytes of compact JSON, at most {MAX_BYTES}")
    assert size < MAX_BYTES


def test_the_file_holds_the_definition_and_no_anchors() -> None:
    assert yaml.safe_load(crd_yaml()) == custom_resource_definition()
    assert "&id" not in crd_yaml()


def test_a_new_monitor_is_in_progress_and_its_status_invents_nothing() -> None:
    (version,) = custom_resource_definition()["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    assert [name for name, field in status["properties"].items() if "default" in field] == []
