"""A model that answers v2 and generic JSON, and the layouts in which rows are sent to it."""

import json
from typing import Any

from tests.collector.raw_model import read_bytes, read_until
from tests.support.model_server import rows_of
from tests.support.model_server import score as score_of

V2 = "/v2/models/flight-delay/infer"
BRIEF = "/v2/models/brief/infer"
"""Answered with an empty object: what is large on its way there does not come back."""


def infer(connection: Any) -> None:
    """Answer v2 requests as MLServer does, and /predict with generic JSON."""
    buffer = b""
    while True:
        buffer = read_until(connection, b"\r\n\r\n", buffer)
        head, found, buffer = buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        buffer = read_bytes(connection, length, buffer)
        body, buffer = buffer[:length], buffer[length:]
        status, answer = _answer(head.split(b" ")[1], body)
        connection.sendall(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (status, len(answer))
            + answer
        )


def _answer(path: bytes, body: bytes) -> tuple[int, bytes]:
    if path == BRIEF.encode():
        return 200, b"{}"
    try:
        document = json.loads(body)
        if path == b"/predict":
            rows = document["instances"]
            if isinstance(rows[0], dict):
                rows = [list(row.values()) for row in rows]
            return 200, json.dumps({"predictions": [score_of(row) for row in rows]}).encode()
        scores = [score_of(row) for row in rows_of(document["inputs"])]
    except (KeyError, TypeError, ValueError):
        return 500, b"Internal Server Error"
    outputs = [
        {
            "name": "predict",
            "shape": [len(scores), 1],
            "datatype": "INT64",
            "data": [int(value >= 0.5) for value in scores],
        },
        {
            "name": "predict_proba",
            "shape": [len(scores), 2],
            "datatype": "FP64",
            "data": [part for value in scores for part in (1.0 - value, value)],
        },
    ]
    return 200, json.dumps(
        {"model_name": "flight-delay", "model_version": "v1", "outputs": outputs}
    ).encode()


def nested(rows: list[list[float]]) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [len(rows), 2], "datatype": "FP64", "data": rows}
    return {"inputs": [tensor]}


def flat(rows: list[list[float]]) -> dict[str, Any]:
    values = [value for row in rows for value in row]
    tensor = {"name": "x", "shape": [len(rows), 2], "datatype": "FP64", "data": values}
    return {"inputs": [tensor]}


def by_column(rows: list[list[float]]) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(rows), 1],
                "datatype": "FP64",
                "data": [row[index] for row in rows],
                "parameters": {"content_type": "pd"},
            }
            for index, name in enumerate("ab")
        ]
    }


def instances(rows: list[list[float]]) -> dict[str, Any]:
    return {"instances": rows}


def records(rows: list[list[float]]) -> dict[str, Any]:
    return {"instances": [{"a": first, "b": second} for first, second in rows]}
