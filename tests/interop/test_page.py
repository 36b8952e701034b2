"""The page on interoperability names the versions that are tested. Needs no server."""

import re
from pathlib import Path

from tests.interop.venvs import NAMES, REQUIREMENTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "interoperability.md"
NAMED = ("bentoml", "fakellm", "kserve", "llm-mock-api", "mlflow", "mlserver", "mlserver-sklearn")
CLIENTS = ("openai", "tritonclient")


def pinned() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in NAMES:
        text = (REQUIREMENTS / f"{name}.txt").read_text()
        for package, version in re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE):
            found.setdefault(package, set()).add(version)
    return found


def test_the_page_names_the_pinned_versions() -> None:
    versions = pinned()
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    for package in (*NAMED, *CLIENTS):
        (version,) = versions[package]
        assert any(f"`{package}`" in row and version in row for row in rows), (package, version)


def test_every_environment_has_its_requirements() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))
