"""Derived columns on their way from a request to a pane."""

import base64
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.derived import MOST_PAYLOADS
from modelmonitor.collector.observer.tally import Tally
from modelmonitor.collector.protocols.base import Call, Inputs, Rows
from modelmonitor.collector.protocols.grpc_messages import messages
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole, DerivedFrom
from modelmonitor.core.counting.derivation import Derivation
from modelmonitor.core.wire.configuration import ColumnConfiguration
from tests.collector.harness import configuration_for
from tests.collector.layouts import (
    GRPC_PATH,
    GRPC_TYPE,
    V1_PATH,
    V2_PATH,
    binary,
    call_of,
    decoded,
    framed,
    tensor,
)
from tests.collector.test_tally import add

SIDE = 16
GREY = 51
IMAGE = ColumnConfiguration(name="image", kind=ColumnKind.IGNORED, role=ColumnRole.INPUT)


def derived(name: str, derivation: Derivation) -> ColumnConfiguration:
    return ColumnConfiguration(
        name=name,
        kind=ColumnKind.NUMERIC,
        role=ColumnRole.DERIVED,
        derived=DerivedFrom(source="image", derivation=derivation),
        cuts=[0.0, 0.5, 1.0],
    )


CONFIGURATION = configuration_for(
    IMAGE,
    derived("brightness", Derivation.IMAGE_BRIGHTNESS),
    derived("width", Derivation.IMAGE_WIDTH),
)
SCHEMA = Interpreter(CONFIGURATION, ("http",)).schema


def png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (SIDE, SIDE), GREY).save(file, "PNG")
    return file.getvalue()


def text() -> str:
    return base64.b64encode(png()).decode()


def pixels() -> np.ndarray[Any, Any]:
    return np.full((2, SIDE, SIDE, 3), GREY, np.uint8)


def v1() -> Call:
    instances = [{"image": {"b64": text()}}, {"image": text()}]
    return call_of(V1_PATH, json.dumps({"instances": instances}).encode(), b'{"predictions":[1,2]}')


def v1_pixels() -> Call:
    return call_of(
        V1_PATH, json.dumps({"instances": pixels().tolist()}).encode(), b'{"predictions":[1,2]}'
    )


def v2(one: dict[str, Any]) -> Call:
    return call_of(V2_PATH, json.dumps({"inputs": [one]}).encode(), b'{"outputs":[]}')


def v2_binary() -> Call:
    image = png()
    raw = 2 * (struct.pack("<I", len(image)) + image)
    request, length = binary({"inputs": [tensor("image", [2], [], "BYTES")]}, "inputs", [raw])
    headers = {
        b"content-type": b"application/octet-stream",
        b"inference-header-content-length": length,
    }
    return call_of(V2_PATH, request, b'{"outputs":[]}', headers=headers)


def grpc(*, raw: bool) -> Call:
    request = messages().request(model_name="m")
    one = request.tensors.add(name="image", datatype="BYTES", shape=[2])
    if raw:
        request.raw.append(2 * (struct.pack("<I", len(png())) + png()))
    else:
        one.contents.bytes_contents.extend([png(), png()])
    answer = messages().response(model_name="m")
    return call_of(
        GRPC_PATH,
        framed(request.SerializeToString()),
        framed(answer.SerializeToString()),
        headers=GRPC_TYPE,
        response_headers=GRPC_TYPE,
    )


CALLS = {
    "V1 base64": v1(),
    "V1 pixels": v1_pixels(),
    "V2 base64": v2(tensor("image", [2], [text(), text()], "BYTES")),
    "V2 pixels": v2(tensor("image", [2, SIDE, SIDE, 3], pixels().ravel().tolist(), "UINT8")),
    "V2 pixels by position": v2(tensor("x", [2, SIDE, SIDE, 3], pixels().tolist(), "UINT8")),
    "V2 raw bytes": v2_binary(),
    "gRPC": grpc(raw=False),
    "gRPC raw": grpc(raw=True),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_pictures_of_every_protocol_are_looked_at(call: Call) -> None:
    tally = Tally(CONFIGURATION)
    rows = decoded(call, SCHEMA)
    add(tally, Rows(inputs=rows.inputs))
    found = tally.columns()
    assert found.keys() == {"brightness", "width"}
    assert (found["brightness"].rows, found["brightness"].mismatched) == (2, 0)
    assert found["brightness"].total == pytest.approx(2 * GREY / 255, abs=1e-6)
    assert found["brightness"].cells == [0, 2, 0, 0]
    assert found["width"].total == 2 * SIDE


def test_rows_without_a_picture_are_missing_and_others_are_of_the_wrong_type() -> None:
    tally = Tally(CONFIGURATION)
    add(tally, Rows(inputs=Inputs(rows=3, columns=[[png(), None, "no picture"]])))
    add(tally, Rows(inputs=Inputs(rows=2, columns=[None])))
    found = tally.columns()["brightness"]
    assert (found.rows, found.missing, found.mismatched) == (5, 3, 1)


def test_only_so_many_pictures_are_looked_at_in_a_pane_but_every_text() -> None:
    columns = [
        IMAGE,
        derived("brightness", Derivation.IMAGE_BRIGHTNESS),
        derived("length", Derivation.TEXT_LENGTH),
    ]
    tally = Tally(configuration_for(*columns))
    rows = MOST_PAYLOADS + 50
    for _ in range(2):
        add(tally, Rows(inputs=Inputs(rows=rows, columns=[[text()] * rows])))
    found = tally.columns()
    assert found["brightness"].rows == MOST_PAYLOADS
    assert found["length"].rows == 2 * rows
