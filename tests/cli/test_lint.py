"""`modelmonitor lint`: places, hints, exit codes."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.lint import lint
from modelmonitor.cli.manifests import ManifestError, read_documents
from tests.support.manifests import CORPUS, bodies

GOOD = CORPUS / "good"
MINIMAL = (GOOD / "minimal.yaml").read_text()


def run(*files: str | Path, stdin: str = "") -> tuple[int, list[str]]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(lint)
    result = CliRunner().invoke(app, [str(file) for file in files], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output.splitlines()


def test_good_manifests_exit_with_0() -> None:
    files = sorted(GOOD.glob("*.yaml"))
    code, lines = run(*files)
    assert code == 0
    monitors = sum(len(bodies(file)) for file in files)
    assert lines == [f"no problem in {monitors} ModelMonitors of {len(files)} files"]


def test_a_problem_has_file_document_and_field(tmp_path: Path) -> None:
    file = tmp_path / "monitors.yaml"
    file.write_text(f"{MINIMAL}---\n{MINIMAL.replace(chr(34) + '0.05' + chr(34), '0.05')}")
    code, lines = run(file)
    assert code == 1
    problem, summary = lines
    place = f"{file}:2:spec.metrics[errors].threshold.critical"
    assert problem == f'{place}: must be text, not a number: write "0.05" in quotes'
    assert summary == "1 problem in 2 ModelMonitors of 1 file"


def test_standard_input_is_a_dash() -> None:
    code, lines = run("-", stdin=MINIMAL.replace("critical:", "criticle:"))
    assert code == 1
    assert lines[0] == (
        "-:1:spec.metrics[errors].threshold.criticle: unknown field: did you mean critical?"
    )
    assert "set at least one severity" in lines[1]


@pytest.mark.parametrize(
    ("right", "wrong", "hint"),
    [
        ("targetRef", "target_ref", "unknown field: did you mean targetRef?"),
        ("collection", "colection", "unknown field: did you mean collection?"),
        ("metrics:", "MetricS:", "unknown field: did you mean metrics?"),
    ],
)
def test_misspelt_fields_are_guessed(right: str, wrong: str, hint: str) -> None:
    _, lines = run("-", stdin=MINIMAL.replace(right, wrong))
    assert lines[0].endswith(hint)


OTHERS = (
    "kind: Deployment\nspec: {metrics: 1}\n---\n---\n"
    "apiVersion: elsewhere.example/v1\nkind: ModelMonitor\n"
)


def test_other_objects_are_passed_over() -> None:
    code, lines = run("-", stdin=f"{OTHERS}---\n{MINIMAL}")
    assert (code, lines) == (0, ["no problem in 1 ModelMonitor of 1 file"])


def test_files_without_a_monitor_are_an_error_because_nothing_was_checked() -> None:
    with pytest.raises(CommandError, match="no ModelMonitor found in 1 file, so nothing was"):
        run("-", stdin=OTHERS)


def test_the_items_of_a_list_are_checked() -> None:
    indented = MINIMAL.replace("\n", "\n  ")
    items = f"apiVersion: v1\nkind: List\nitems:\n- \n  {indented}"
    code, lines = run("-", stdin=items.replace("errors,", "Errors,"))
    assert code == 1
    assert lines[0].startswith("-:1:spec.metrics[Errors].name: ")


def test_another_version_is_named() -> None:
    code, lines = run("-", stdin=MINIMAL.replace("v1alpha1", "v1"))
    assert code == 1
    assert lines[0] == (
        "-:1:apiVersion: modelmonitor.dev/v1 is unknown: write modelmonitor.dev/v1alpha1"
    )


def test_a_target_that_the_operator_does_not_know_is_named() -> None:
    code, lines = run("-", stdin=MINIMAL.replace("Deployment", "DaemonSet"))
    assert code == 1
    assert lines[0] == (
        "-:1:spec.targetRef: apps/v1 DaemonSet is no target: use apps/v1 Deployment or "
        "apps/v1 StatefulSet or serving.kserve.io/v1beta1 InferenceService"
    )


def test_a_generated_name_is_good() -> None:
    assert run("-", stdin=MINIMAL.replace("{name: minimal}", "{generateName: model-}"))[0] == 0


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot read .*nothing: No such file or directory"):
        run(tmp_path / "nothing")


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="is not UTF-8 text"):
        run(tmp_path / "binary")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "f: line 1: not YAML: "),
        ("a: 1\nb: 2\na: 3\n", "f: line 3: not YAML: the key a stands there twice"),
        ("a: 1\n---\n- 2\n", "f: document 2 is not an object"),
        ("a: \x00", "f: not YAML: "),
    ],
)
def test_what_is_no_manifest_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        list(read_documents("f", text))
    assert str(caught.value).startswith(message)


def test_dates_stay_text() -> None:
    (document,) = read_documents("f", "a: 2026-01-31\nb: {c: 2026-01-31}\n")
    assert document.body == {"a": "2026-01-31", "b": {"c": "2026-01-31"}}
