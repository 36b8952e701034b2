"""Bodies become monitors, or sentences with field paths."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from modelmonitor.api.v1alpha1.base import parse_cpu, parse_decimal, parse_duration, parse_memory
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, format_path, parse_monitor
from tests.support.manifests import CORPUS, bodies

Body = dict[str, Any]


@pytest.fixture
def body() -> Body:
    (example,) = bodies(CORPUS / "good" / "example.yaml")
    example["metadata"]["namespace"] = "models"
    return copy.deepcopy(example)


def problems(body: Mapping[str, Any]) -> list[str]:
    with pytest.raises(InvalidMonitorError) as caught:
        parse_monitor(body)
    assert str(caught.value) == "; ".join(map(str, caught.value.problems))
    return [str(each) for each in caught.value.problems]


def test_a_body_becomes_a_monitor_with_defaults(body: Body) -> None:
    monitor = parse_monitor(body)
    assert (monitor.metadata.namespace, monitor.metadata.name) == ("models", "flight-delay")
    assert monitor.spec.metrics[0].threshold is not None
    assert monitor.spec.metrics[0].threshold.keep_firing_for == "0s"
    assert monitor.status.observed_generation == -1


def test_any_mapping_will_do(body: Body) -> None:
    wrapped = MappingProxyType({**body, "spec": MappingProxyType(body["spec"])})
    assert parse_monitor(wrapped) == parse_monitor(body)


def test_list_entries_are_called_by_their_name(body: Body) -> None:
    body["spec"]["metrics"][1]["threshold"]["recoverAt"] = "0.9"
    (problem,) = problems(body)
    assert problem.startswith(
        "spec.metrics[latency-p99].threshold.recoverAt: recoverAt must lie on the safe side of "
    )


def test_every_problem_is_named_at_once(body: Body) -> None:
    body["spec"]["interval"] = "1s"
    body["spec"]["collection"]["sampleRatio"] = "2"
    body["spec"]["metrics"][0]["threshold"]["recoverAt"] = "0.5"
    places = [each.split(":")[0] for each in problems(body)]
    assert sorted(places) == [
        "spec.collection.sampleRatio",
        "spec.interval",
        "spec.metrics[traffic].threshold.recoverAt",
    ]


def test_an_entry_without_name_is_called_by_its_position(body: Body) -> None:
    del body["spec"]["metrics"][2]["name"]
    assert problems(body) == ["spec.metrics[2].name: is required"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.2, 'must be text, not a number: write "0.2" in quotes'),
        (True, 'must be text, not a boolean: write "true" in quotes'),
        ([1], "must be text, not a list"),
        ({}, "must be text, not an object"),
        ("1/5", '"1/5" is not a decimal: write for example "0.25", in quotes, in base units'),
        ("9" * 24, "must have at most 23 characters"),
    ],
)
def test_a_wrong_decimal_says_what_to_write(body: Body, value: Any, message: str) -> None:
    body["spec"]["metrics"][1]["threshold"]["critical"] = value
    (problem,) = problems(body)
    assert problem.startswith(f"spec.metrics[latency-p99].threshold.critical: {message}")


def test_text_is_never_taken_for_a_number_or_a_switch(body: Body) -> None:
    body["spec"]["suspend"] = "false"
    body["spec"]["metrics"][1]["threshold"]["minSamples"] = "3"
    samples, suspend = sorted(problems(body))
    assert samples.endswith('must be a whole number, not the text "3": take the quotes away')
    assert suspend.endswith('must be true or false, not the text "false": take the quotes away')


def test_long_values_are_not_repeated_in_full(body: Body) -> None:
    body["spec"]["mode"] = "x" * 5000
    (problem,) = problems(body)
    assert len(problem) < 200


def test_null_is_absence_but_not_inside_the_job_template(body: Body) -> None:
    body["spec"]["mode"] = None
    body["spec"]["retraining"]["job"]["template"]["spec"]["parallelism"] = None
    monitor = parse_monitor(body)
    assert monitor.spec.mode == "Enforce"
    assert monitor.spec.retraining is not None
    assert "parallelism" in monitor.spec.retraining.job.template["spec"]


def test_unknown_fields_are_ignored_as_an_older_operator_must(body: Body) -> None:
    expected = parse_monitor(body)
    body["spec"]["fromTheFuture"] = {"x": 1}
    body["spec"]["metrics"][0]["alsoNew"] = True
    assert parse_monitor(body) == expected


def test_what_is_no_json_is_a_problem_too(body: Body) -> None:
    body["spec"]["mode"] = {datetime(2026, 1, 31, tzinfo=UTC)}
    (problem,) = problems(body)
    assert problem.startswith("not JSON")


def test_rules_hold_for_models_made_in_code_as_well() -> None:
    with pytest.raises(ValueError, match="latency belongs to type Latency"):
        Metric.model_validate(
            {
                "name": "rate",
                "type": "RequestRate",
                "latency": {"quantile": "0.5"},
                "threshold": {"operator": "LessThan", "critical": "1"},
            }
        )


def test_a_path_that_leads_nowhere_is_still_written() -> None:
    assert format_path(("spec", "metrics", 3, "name"), {"spec": []}) == "spec.metrics[3].name"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("30s", 30), ("1h30m", 5400), ("1m500ms", 60.5), ("2160h", 7_776_000)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "cores"), [("50m", 0.05), ("1", 1), ("0.5", 0.5)])
def test_cpu_is_cores(text: str, cores: float) -> None:
    assert parse_cpu(text) == cores


@pytest.mark.parametrize(
    ("text", "size"), [("96Mi", 96 * 2**20), ("1G", 10**9), ("1k", 1000), ("512", 512)]
)
def test_memory_is_bytes(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("parse", [parse_cpu, parse_decimal, parse_duration, parse_memory])
def test_scalars_that_are_none_are_refused(parse: Any) -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse("much")
