"""What is sent, what is answered, and what a collector is told to count of it."""

import json
import random
from typing import Any, Final

import numpy as np

from modelmonitor.core.baseline.profile import ColumnRole, OutputLocator, Profile
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration

MODEL: Final = "flight-delay"
PATH: Final = f"/v2/models/{MODEL}/infer"
FEATURES: Final = 20
REQUEST_BYTES: Final = 497
RESPONSE_BYTES: Final = 201
MONITOR_UID: Final = "bench"
PORT_NAME: Final = "http"
INTERVAL: Final = 5.0
"""Seconds of a pane: the shortest that a monitor may ask for, and so the dearest."""

_BASELINE_ROWS: Final = 5000
_SEED: Final = 4


def request_body(features: int = FEATURES, size: int = REQUEST_BYTES) -> bytes:
    """Return a request of one row in OpenInference v2, padded by its id to `size` bytes."""
    values = random.Random(_SEED)
    row = [round(values.gauss(0.0, 1.0), 14) for _ in range(features)]
    tensor = {"name": "features", "shape": [1, features], "datatype": "FP64", "data": row}
    return _padded({"id": "", "inputs": [tensor]}, size)


def response_body() -> bytes:
    """Return the answer: a class and two probabilities."""
    document = {
        "model_name": MODEL,
        "id": "",
        "outputs": [
            {"name": "predict", "shape": [1], "datatype": "INT64", "data": [1]},
            {"name": "proba", "shape": [1, 2], "datatype": "FP64", "data": [0.27, 0.73]},
        ],
    }
    return _padded(document, RESPONSE_BYTES)


def _padded(document: dict[str, Any], size: int) -> bytes:
    bare = json.dumps(document, separators=(",", ":"))
    padded = document | {"id": "7" * (size - len(bare))}
    return json.dumps(padded, separators=(",", ":")).encode()


def profile(features: int = FEATURES) -> Profile:
    """Return the baseline of a model with so many inputs, a class and a score."""
    values = np.random.default_rng(_SEED)
    table: dict[str, Any] = {
        f"feature_{number}": values.normal(size=_BASELINE_ROWS) for number in range(features)
    }
    score = values.beta(2.0, 5.0, size=_BASELINE_ROWS)
    outputs = [
        OutputColumn(column="predict", role=ColumnRole.LABEL),
        OutputColumn(
            column="score",
            role=ColumnRole.SCORE,
            locator=OutputLocator(output="proba", index=1),
        ),
    ]
    table |= {"predict": (score > 0.5).astype(np.int64), "score": score}
    return build_profile(table, outputs=outputs)


def configuration(features: int = FEATURES, interval: float = INTERVAL) -> CollectorConfiguration:
    """Return what the controller would push for that baseline.

    Parameters
    ----------
    features
        Inputs of the model; a class and a score are counted beside them.
    interval
        Seconds of a pane.
    """
    return CollectorConfiguration(
        monitorUID=MONITOR_UID,
        interval=interval,
        baselineDigest="sha256:bench",
        protocols={PORT_NAME: "Auto"},
        columns=[
            ColumnConfiguration(
                name=column.name,
                kind=column.kind,
                role=column.role,
                locator=column.locator,
                cuts=column.cuts,
                categories=column.categories,
            )
            for column in profile(features).columns
        ],
    )
