"""Which files are written from the models, and what stands in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from modelmonitor.crd.definition import crd_yaml
from modelmonitor.crd.reference import reference_markdown

CRD_FILE: Final = Path("crds/modelmonitors.yaml")
CHART_CRD_FILE: Final = Path("helm/modelmonitor/files/crds/modelmonitors.yaml")
REFERENCE_FILE: Final = Path("docs/reference/modelmonitor.md")


def generated_files() -> dict[Path, str]:
    """Return the text of every generated file, by its path below the top of the project."""
    crd = crd_yaml()
    return {CRD_FILE: crd, CHART_CRD_FILE: crd, REFERENCE_FILE: reference_markdown()}


def write(top: Path) -> list[Path]:
    """Write the files that differ below a folder; returns those."""
    changed = _differing(top, generated_files())
    for path, text in changed.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text, encoding="utf-8")
    return list(changed)


def differing(top: Path) -> list[Path]:
    """Return the generated files that are missing below a folder or hold something else."""
    return list(_differing(top, generated_files()))


def _differing(top: Path, wanted: Mapping[Path, str]) -> dict[Path, str]:
    return {path: text for path, text in wanted.items() if _text(top / path) != text}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
