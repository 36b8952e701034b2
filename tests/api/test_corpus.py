"""The corpus on a real API server: exact messages, and the same verdict as offline."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.cli.lint import problems
from modelmonitor.crd.definition import monitor_schema
from tests.api.client import Answer, ApiServer
from tests.api.conftest import NAMESPACE
from tests.support.manifests import BAD, GOOD, bodies, name_of, said_of_each, validations

pytestmark = pytest.mark.api

SCHEMA = monitor_schema()
RULE_MESSAGES = {each["message"] for each in validations(SCHEMA)}
REFUSAL = r"(\S+): (?:Invalid value|Required value|Forbidden): (.*)"
NOWHERE = "<nil>"
"""Where the API server says that a rule of the whole object lies."""


def try_to_create(server: ApiServer, body: dict[str, Any]) -> Answer:
    return server.monitors(NAMESPACE, "POST", body=body, dryRun="All")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_manifests_are_accepted(server: ApiServer, path: Path) -> None:
    answers = {name_of(body): try_to_create(server, body) for body in bodies(path)}
    assert {name: each.causes for name, each in answers.items() if not each.accepted} == {}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_golden_messages_for_bad_manifests(
    server: ApiServer, path: Path, golden: Callable[[str, bytes], None]
) -> None:
    answers = {name_of(body): try_to_create(server, body) for body in bodies(path)}
    assert [name for name, each in answers.items() if each.accepted] == []
    said = {name: each.causes or [each.body["message"]] for name, each in answers.items()}
    golden(f"manifests/bad/{path.stem}.api.txt", said_of_each(said))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_broken_rules_are_the_same_offline(server: ApiServer, path: Path) -> None:
    for body in bodies(path):
        offline = {
            (by_position(each.path, body), each.message)
            for each in problems(body, SCHEMA)
            if each.message in RULE_MESSAGES
        }
        assert rules_in(try_to_create(server, body)) == offline, name_of(body)


def rules_in(answer: Answer) -> set[tuple[str, str]]:
    """Return place and message of the rules that an answer calls broken."""
    parts = (
        re.fullmatch(r"(\S+): (Invalid value|Required value|Forbidden): (.*)", each)
        for each in answer.causes
    )
    return {(hit[1], hit[3]) for hit in parts if hit and hit[3] in RULE_MESSAGES}


def by_position(path: str, body: dict[str, Any]) -> str:
    """Return a path as the API server writes it: list entries by position, not by name."""
    if path == "metadata.name":
        return NOWHERE
    lists = {"metrics": body["spec"]["metrics"], "ports": body["spec"]["collection"]["ports"]}

    def position(hit: re.Match[str]) -> str:
        names = [entry["name"] for entry in lists[hit["list"]]]
        return f"{hit['list']}[{names.index(hit['name'])}]"

    return re.sub(r"(?P<list>metrics|ports)\[(?P<name>[^]]+)\]", position, path)
