"""What is checked in is what the models say."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmonitor.crd.__main__ import main
from modelmonitor.crd.definition import (
    MAX_BYTES,
    compact_bytes,
    crd_yaml,
    custom_resource_definition,
    monitor_schema,
)
from modelmonitor.crd.generated import CHART_CRD_FILE, CRD_FILE, differing, write
from modelmonitor.crd.reference import reference_markdown
from tests.support.manifests import validations


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


def test_the_reference_has_every_field_and_every_rule() -> None:
    text = reference_markdown()

    def missing(schema: dict[str, Any]) -> list[str]:
        """Return the fields without a row; what another kind defines needs none."""
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return []
        fields = schema.get("properties", {})
        found = [name for name in fields if f"| `{name}` |" not in text]
        inner = [field.get("items", field) for field in fields.values()]
        return found + [name for each in inner for name in missing(each)]

    schema = monitor_schema()
    parts = schema["properties"]
    assert missing(parts["spec"]) + missing(parts["status"]) == []
    assert [each["message"] for each in validations(schema) if each["message"] not in text] == []


def test_the_command_writes_and_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["crd", "--top", str(tmp_path), *arguments])
        return main()

    assert run("--check") == 1
    assert "crds/modelmonitors.yaml differs from the models" in capsys.readouterr().out
    assert run() == 0
    assert "wrote crds/modelmonitors.yaml" in capsys.readouterr().out
    assert run("--check") == 0
