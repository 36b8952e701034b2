"""The demo's traffic and the collector's decoder meet here, before they meet in a cluster."""

import json

from demo.flights.columns import INPUTS, LATE_CLASS, PREDICTION, SCORE
from demo.flights.replay import request_body
from modelmonitor.collector.protocols.base import Call, Rows, Schema
from modelmonitor.collector.protocols.openinference import OpenInferenceDecoder
from modelmonitor.core.baseline.profile import ColumnKind, OutputLocator
from modelmonitor.core.counting.columns import ColumnCounter

SCHEMA = Schema(
    inputs=INPUTS,
    outputs=(
        OutputLocator(output=PREDICTION),
        OutputLocator(output=SCORE, index=LATE_CLASS),
    ),
)
ROWS = [
    {name: str(number) for name in INPUTS} | {"origin": "JFK", "carrier": "B6", "pressure": ""}
    for number in range(3)
]
# What MLServer 1.7.1 answers to such a request of three rows.
ANSWER = {
    "model_name": "flight-delay",
    "model_version": "dda1d0e07e",
    "id": "winter-1",
    "parameters": {},
    "outputs": [
        {
            "name": "predict",
            "shape": [3, 1],
            "datatype": "INT64",
            "parameters": {"content_type": "np"},
            "data": [0, 1, 0],
        },
        {
            "name": "predict_proba",
            "shape": [3, 2],
            "datatype": "FP64",
            "parameters": {"content_type": "np"},
            "data": [0.75, 0.25, 0.375, 0.625, 0.5, 0.5],
        },
    ],
}


def decoded() -> Rows:
    call = Call(
        path=b"/v2/models/flight-delay/infer",
        request_headers={},
        request=json.dumps(request_body(ROWS, "winter-1")).encode(),
        response_headers={},
        response=json.dumps(ANSWER).encode(),
    )
    return OpenInferenceDecoder().decode(call, SCHEMA)


def test_the_collector_reads_every_column_of_a_request() -> None:
    inputs = decoded().inputs
    found = dict(zip(SCHEMA.inputs, inputs.columns, strict=True))
    assert inputs.rows == len(ROWS)
    assert found["temp"] == [0.0, 1.0, 2.0]
    assert found["carrier"] == ["B6", "B6", "B6"]


def test_what_was_not_measured_counts_as_missing() -> None:
    inputs = decoded().inputs
    pressure = inputs.columns[INPUTS.index("pressure")]
    assert pressure is not None
    counter = ColumnCounter(ColumnKind.NUMERIC, cuts=[980.0, 1040.0])
    counter.add(pressure)
    assert (counter.counts().rows, counter.counts().missing) == (3, 3)


def test_the_collector_reads_class_and_probability_of_being_late() -> None:
    classes, late = decoded().outputs
    assert classes is not None
    assert late is not None
    assert (list(classes), list(late)) == ([0, 1, 0], [0.25, 0.625, 0.5])
