"""`baseline build --serving-sample`: traffic that would not be counted is told before it comes."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.serving_sample import SampleReport, check_sample, read_sample
from modelmonitor.core.baseline.profile import ColumnRole, OutputLocator, Profile
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile

PATH = "/v2/models/flights/infer"
TEMPERATURES = [20.0 + number % 30 for number in range(2000)]
PROFILE = build_profile(
    {
        "carrier": [("AA", "B6")[number % 2] for number in range(2000)],
        "temp": TEMPERATURES,
        "late": [number % 2 for number in range(2000)],
        "probability": [number % 100 / 100 for number in range(2000)],
    },
    outputs=[
        OutputColumn(column="late", role=ColumnRole.LABEL, locator=OutputLocator(output="predict")),
        OutputColumn(
            column="probability",
            role=ColumnRole.SCORE,
            locator=OutputLocator(output="predict_proba", index=1),
        ),
    ],
)


def tensor(name: str, data: list[Any], width: int = 1) -> dict[str, Any]:
    shape = [len(data) // width, width]
    return {"name": name, "shape": shape, "datatype": "BYTES", "data": data}


def request(carriers: list[Any], temperatures: list[Any]) -> dict[str, Any]:
    return {"inputs": [tensor("carrier", carriers), tensor("temp", temperatures)]}


def response(rows: int) -> dict[str, Any]:
    proba = tensor("predict_proba", [0.7, 0.3] * rows, width=2)
    return {"outputs": [tensor("predict", [0] * rows), proba]}


def report(tmp_path: Path, *exchanges: dict[str, Any], profile: Profile = PROFILE) -> SampleReport:
    path = tmp_path / "sample.jsonl"
    path.write_text("".join(f"{json.dumps({'path': PATH, **one})}\n" for one in exchanges))
    return check_sample(profile, read_sample(path))


def test_traffic_that_fits_has_no_problem_and_no_note(tmp_path: Path) -> None:
    found = report(
        tmp_path,
        {"request": request(["AA", "B6"], [25.0, 30.5]), "response": response(2)},
        {"request": request(["AA"], [21]), "response": response(1)},
    )

    assert found == SampleReport(exchanges=2, rows=3, problems=[], notes=[])


def test_json_objects_named_like_the_columns_fit_too(tmp_path: Path) -> None:
    found = report(tmp_path, {"path": "/predict", "request": {"carrier": "AA", "temp": 22.5}})

    assert found.problems == []
    assert found.rows == 1


def test_traffic_of_other_protocols_fits_too(tmp_path: Path) -> None:
    named = {"columns": ["temp", "carrier"], "data": [[22.5, "AA"], [30, "B6"]]}
    declared = {"payload": {"rows": [["AA", 22.5]]}}
    csv = {"path": "/invocations", "contentType": "text/csv", "request": "carrier,temp\nAA,21\n"}
    found = report(
        tmp_path,
        {"path": "/invocations", "request": {"dataframe_split": named}},
        {"path": "/v1/models/flights:predict", "request": {"instances": [["AA", 22.5]]}},
        {"path": "/score", "jsonPaths": {"rows": "/payload/rows"}, "request": declared},
        csv,
    )

    assert found.problems == []
    assert found.rows == 5


def test_traffic_without_any_of_the_columns_is_told(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "x"}]}
    answer = {"choices": [{"index": 0, "message": {"content": "y"}}]}
    path = "/v1/chat/completions"
    found = report(tmp_path, {"path": path, "request": chat, "response": answer})

    assert found.problems == ["no request of the sample has a row with the profile's columns"]


def test_a_path_that_is_no_pointer_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"sample.jsonl:1: jsonPaths: 'rows' is not a JSON Poi"):
        report(tmp_path, {"request": [], "jsonPaths": {"rows": "rows"}})


def test_a_request_of_another_schema_is_told_with_its_line(tmp_path: Path) -> None:
    unnamed = {"inputs": [tensor("x", [1, 2, 3, 4, 5], width=5)]}

    found = report(tmp_path, {"request": request(["AA"], [21])}, {"request": unnamed})

    (problem,) = found.problems
    assert problem.startswith("line 2: the request does not hold the profile's inputs: named as")


def test_an_output_that_is_not_where_the_user_said_is_told(tmp_path: Path) -> None:
    other = {"outputs": [tensor("class", [0])]}

    found = report(tmp_path, {"request": request(["AA"], [21]), "response": other})

    assert found.problems == [
        "late: no value was found at predict:0",
        "probability: no value was found at predict_proba:1",
    ]


def test_an_input_that_is_never_there_is_told(tmp_path: Path) -> None:
    found = report(tmp_path, {"request": {"inputs": [tensor("carrier", ["AA"])]}})

    assert "temp: no value was found" in found.problems


def test_text_where_numbers_belong_is_told(tmp_path: Path) -> None:
    found = report(tmp_path, {"request": request(["AA", "AA"], ["warm", 21])})

    assert any(
        problem.startswith("temp: 1 of 2 values are no numbers") for problem in found.problems
    )


def test_values_unlike_the_baselines_are_noted_and_are_no_problem(tmp_path: Path) -> None:
    found = report(tmp_path, {"request": request(["ZZ", "AA", None], [99, 98, 21])})

    assert found.problems == []
    assert found.notes == [
        "carrier: 1 of 2 values are new categories",
        "carrier: 1 of 3 values are missing",
        "temp: 2 of 3 values are out of range",
        "the sample has no responses: outputs were not checked",
    ]


def test_an_empty_sample_is_a_problem(tmp_path: Path) -> None:
    assert report(tmp_path).problems == ["the sample is empty"]


@pytest.mark.parametrize("line", ["[]", "{", '{"response": {}}', "17"])
def test_a_file_of_another_form_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "sample.jsonl"
    path.write_text(f"\n{line}\n")

    with pytest.raises(CommandError, match=r"sample.jsonl:2: write one object a line"):
        list(read_sample(path))
