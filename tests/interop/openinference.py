"""OpenInference v2 by hand: the layouts that clients send, and the binary extension."""

import json
import struct
from collections.abc import Sequence
from typing import Any

from tests.interop.columns import by_column
from tests.interop.flowers import NAMES, Row
from tests.interop.wire import request

INFER = "/v2/models/iris/infer"


def nested(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one tensor with a list for each row."""
    shape = [len(rows), len(NAMES)]
    return [{"name": "x", "shape": shape, "datatype": "FP64", "data": [list(row) for row in rows]}]


def flat(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one tensor with all values in one list, row by row."""
    shape = [len(rows), len(NAMES)]
    data = [value for row in rows for value in row]
    return [{"name": "x", "shape": shape, "datatype": "FP64", "data": data}]


def named(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a tensor for each column."""
    return [
        {"name": name, "shape": [len(rows)], "datatype": "FP64", "data": list(values)}
        for name, values in by_column(rows).items()
    ]


def document(tensors: list[dict[str, Any]], *outputs: str, **more: Any) -> dict[str, Any]:
    """Return a request with an id, so that the server mints none."""
    asked = {"outputs": [{"name": name} for name in outputs]} if outputs else {}
    return {"id": "flowers", "inputs": tensors, **asked, **more}


def output(answer: Any, name: str) -> list[Any]:
    """Return the flat data of one output of an answer."""
    return next(list(one["data"]) for one in answer["outputs"] if one["name"] == name)


def binary(rows: Sequence[Row], *outputs: str) -> bytes:
    """Return a request whose tensor follows the JSON as raw little-endian doubles."""
    raw = b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)
    tensor = {
        "name": "x",
        "shape": [len(rows), len(NAMES)],
        "datatype": "FP64",
        "parameters": {"binary_data_size": len(raw)},
    }
    asked = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    head = json.dumps({"id": "flowers", "inputs": [tensor], "outputs": asked}).encode()
    return request(
        INFER,
        head + raw,
        content_type="application/octet-stream",
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
