"""The corpus offline: what parsing and lint say of each manifest, and that no rule is untried."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelmonitor.cli.lint import problems
from modelmonitor.crd.definition import monitor_schema
from tests.support.manifests import BAD, GOOD, bodies, name_of, said_of_each, validations

SCHEMA = monitor_schema()
ONLY_BETWEEN_TWO_VERSIONS = "oldSelf"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_manifests_have_no_problem(path: Path) -> None:
    found = {name_of(body): problems(body, SCHEMA) for body in bodies(path)}
    assert found == {name: [] for name in found}
    assert found


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_golden_problems_of_bad_manifests(path: Path, golden: Callable[[str, bytes], None]) -> None:
    found = {name_of(body): problems(body, SCHEMA) for body in bodies(path)}
    assert [name for name, each in found.items() if not each] == []
    golden(f"manifests/bad/{path.stem}.lint.txt", said_of_each(found))


def test_every_rule_is_broken_by_a_bad_manifest() -> None:
    found = [each for path in BAD for body in bodies(path) for each in problems(body, SCHEMA)]
    broken = {each.message for each in found}
    rules = [each for each in validations(SCHEMA) if ONLY_BETWEEN_TWO_VERSIONS not in each["rule"]]
    assert len(rules) > 20
    assert [each["message"] for each in rules if each["message"] not in broken] == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_manifests_of_a_file_can_be_told_apart(path: Path) -> None:
    names = [name_of(body) for body in bodies(path)]
    assert len(set(names)) == len(names)
