"""Monitors in our pages are valid, and commands in them exist."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer.main
import yaml

from modelmonitor.cli.app import app
from modelmonitor.cli.lint import check
from modelmonitor.cli.manifests import read_documents

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCKS = [
    pytest.param(dedent(block), id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL))
]
MONITORS = [one for one in BLOCKS if "kind: ModelMonitor\nmetadata" in str(one.values[0])]


def test_there_is_an_example() -> None:
    assert MONITORS


@pytest.mark.parametrize("block", MONITORS)
def test_monitors_in_pages_pass_lint(block: str) -> None:
    documents = list(read_documents("page", block))

    assert [str(finding) for finding in check(documents)] == []


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_are_yaml(block: str) -> None:
    assert all(yaml.safe_load_all(block))


def _commands() -> dict[str, Any]:
    """Return the commands of the command line by their words, with their options."""
    root = typer.main.get_command(app)
    found = {}
    for name, command in getattr(root, "commands", {}).items():
        inner = getattr(command, "commands", None) or {"": command}
        for part, one in inner.items():
            found[f"{name} {part}".strip()] = {
                option for parameter in one.params for option in parameter.opts
            }
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_exist_with_their_options(page: Path) -> None:
    commands = _commands()
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"(?:^|`|kubectl )modelmonitor ([a-z].*?)(?:`|#|$)", text, re.MULTILINE):
        words = line.split()
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in commands), None)
        assert name, f"modelmonitor {line}: no such command"
        options = {word for word in words if re.match(r"--?[a-z]", word)}
        assert options <= commands[name], f"modelmonitor {line}: no option {options}"
