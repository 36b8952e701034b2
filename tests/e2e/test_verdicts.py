"""Every type of metric that looks at data, on a real cluster.

Each is silent on what the baseline holds, and in breach, with words of its own, on other traffic.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from demo.story.kubectl import Body
from tests.e2e.kit import Kube, Model, Room, has, last_judged, monitor_body
from tests.support.load import Traffic, running_load
from tests.support.model_server import score
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BASELINE_ROWS: Final = 20_000
BODIES: Final = 40
ROWS: Final = 50
"""Of a request."""
RATE: Final = 0.5
"""Requests per second and body."""
PATIENCE: Final = 120.0
QUIET: Final = 20.0
"""Seconds for which nothing may fire."""
WORDS: Final = ("sun", "rain", "wind", "snow", "fog")

Columns = dict[str, Any]


def rows_of(seed: int, count: int, *, usual: bool) -> Columns:
    """Return rows of four inputs; unusual ones differ in every way that is watched."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=count)
    y = (0.8 if usual else -0.8) * x + 0.6 * draw.normal(size=count) + (0 if usual else 2)
    kinds = ["red", "blue"] if usual else ["red", "green"]
    longest = 6 if usual else 12
    return {
        "x": x,
        "y": y,
        "kind": draw.choice(kinds, count, p=[0.7, 0.3]).tolist(),
        "prompt": [" ".join(draw.choice(WORDS, draw.integers(2, longest))) for _ in range(count)],
    }


def answered(columns: Columns) -> Columns:
    """Return the rows with what the model answers, and a truth that its scores are right about."""
    draw = np.random.default_rng(99)
    scores = np.array([score([x, y]) for x, y in zip(columns["x"], columns["y"], strict=True)])
    truth = (draw.random(scores.size) < scores).astype(int)
    return {**columns, "predict": (scores >= 0.5).astype(int), "p": scores, "truth": truth}


def body_of(columns: Columns, extra: dict[str, Any]) -> bytes:
    """Return a request with one tensor a column."""
    inputs = [
        {
            "name": name,
            "shape": [ROWS],
            "datatype": "BYTES" if isinstance(values, list) else "FP64",
            "data": list(values),
        }
        for name, values in {**columns, **extra}.items()
    ]
    return json.dumps({"inputs": inputs}).encode()


def traffic(url: str, seed: int, *, usual: bool) -> list[Traffic]:
    extra = {} if usual else {"debug": [1.0] * ROWS}
    return [
        Traffic(url, RATE, True, body_of(rows_of(seed + n, ROWS, usual=usual), extra))
        for n in range(BODIES)
    ]


def modelmonitor(kube: Kube, *words: str) -> None:
    """Run the command line as a user would."""
    subprocess.run(
        [sys.executable, "-m", "modelmonitor", *words],
        check=True,
        env=dict(kube.kubectl.environment),
        timeout=120,
    )


def apply_baseline(kube: Kube, room: Room, folder: Path) -> None:
    table, profile = folder / "rows.parquet", folder / "profile.json"
    parquet.write_table(pa.table(answered(rows_of(0, BASELINE_ROWS, usual=True))), table)
    outputs = ["--prediction", "predict", "--label", "truth", "--score", "p"]
    outputs += ["--score-at", "predict_proba:1"]
    more = ["--correlations", "x,y", "--derive", "words=TokenCount:prompt"]
    modelmonitor(
        kube, "baseline", "build", "--data", str(table), *outputs, *more, "-o", str(profile)
    )
    modelmonitor(kube, "baseline", "apply", str(profile), "--name", "baseline", "-n", room.name)


def threshold(operator: str, critical: str, **more: Any) -> dict[str, Any]:
    return {"operator": operator, "critical": critical, "minSamples": 2000, **more}


ABOVE: Final = "GreaterThan"
METRICS: Final[list[dict[str, Any]]] = [
    {
        "name": "inputs",
        "type": "Drift",
        "drift": {"columns": {"names": ["x", "y", "kind"]}, "tolerance": {"critical": "0.15"}},
    },
    {
        "name": "prompts",
        "type": "Drift",
        "drift": {"columns": {"names": ["words"]}, "tolerance": {"critical": "0.15"}},
    },
    {
        "name": "hellinger",
        "type": "Distance",
        "distance": {"column": "y", "statistic": "Hellinger"},
        "threshold": threshold(ABOVE, "0.25"),
    },
    {
        "name": "new",
        "type": "DataQuality",
        "dataQuality": {"check": "NewCategoryRatio", "columns": {"names": ["kind"]}},
        "threshold": threshold(ABOVE, "0.05"),
    },
    {
        "name": "schema",
        "type": "DataQuality",
        "dataQuality": {"check": "SchemaChanges"},
        "threshold": threshold(ABOVE, "0"),
    },
    {
        "name": "mean",
        "type": "Statistic",
        "statistic": {"column": "y", "of": "Mean"},
        "compare": {"to": "Baseline", "as": "Difference"},
        "threshold": threshold(ABOVE, "0.5"),
    },
    {
        "name": "blue",
        "type": "Statistic",
        "statistic": {"column": "kind", "of": "CategoryShare", "category": "blue"},
        "threshold": threshold("LessThan", "0.1"),
    },
    {
        "name": "correlation",
        "type": "Multivariate",
        "multivariate": {"statistic": "CorrelationChange"},
        "threshold": threshold(ABOVE, "0.4"),
    },
    {
        "name": "prior",
        "type": "EstimatedPerformance",
        "estimatedPerformance": {"measure": "PriorShift"},
        "threshold": threshold(ABOVE, "0.15"),
    },
    {
        "name": "accuracy",
        "type": "EstimatedPerformance",
        "estimatedPerformance": {"measure": "Accuracy"},
        "threshold": threshold("LessThan", "0.5"),
    },
]
NAMES: Final = [metric["name"] for metric in METRICS]
INSENSITIVE: Final = "accuracy"
"""The model is as right about the unusual rows as its scores say."""
SAID: Final = {
    "inputs": "y",
    "prompts": "words",
    "hellinger": "Hellinger of y",
    "new": "kind",
    "schema": "debug",
    "mean": "Mean of y",
    "blue": "blue",
    "correlation": "x × y",
    "prior": "true classes",
}
"""What the message of each metric must name."""


def metrics_of(monitor: Body) -> dict[str, Body]:
    return {each["name"]: each for each in monitor.get("status", {}).get("metrics", [])}


def are_all(monitor: Body, names: Sequence[str], state: str) -> bool:
    found = metrics_of(monitor)
    return all(name in found and found[name]["state"] == state for name in names)


def test_every_type_of_metric_is_silent_and_speaks(room: Room, kube: Kube, tmp_path: Path) -> None:
    apply_baseline(kube, room, tmp_path)
    room.deploy(Model(delay=0))
    collection = {
        "ports": [{"name": "http", "protocol": "OpenInference"}],
        "derived": [{"name": "words", "from": "prompt", "as": "TokenCount"}],
        "reveal": ["kind"],
    }
    baseline = {"type": "ConfigMap", "configMap": {"name": "baseline"}}
    kube.apply(monitor_body(room.name, collection=collection, baseline=baseline, metrics=METRICS))
    room.wait_for("Ready", has("Ready", "True"))
    room.restart("model")
    url = room.url("model", "/v2/models/model/infer")

    with running_load(*traffic(url, 1000, usual=True)) as reports:
        room.wait_for("all OK", lambda one: are_all(one, NAMES, "OK"), PATIENCE)
        until = time.time() + QUIET
        wait_until("judged on", lambda: last_judged(kube, room.name) > until, PATIENCE)
        quiet = room.monitor()
    assert are_all(quiet, NAMES, "OK"), metrics_of(quiet)

    with running_load(*traffic(url, 2000, usual=False)) as more:
        loud = [name for name in NAMES if name != INSENSITIVE]
        monitor = room.wait_for("all fire", lambda one: are_all(one, loud, "Firing"), PATIENCE)
    for name, metric in metrics_of(monitor).items():
        print(f"{name}: {metric['state']} {metric.get('message', '')}")
    told = {name: metrics_of(monitor)[name]["message"] for name in SAID}
    assert {name: text for name, text in told.items() if SAID[name] not in text} == {}
    assert metrics_of(monitor)[INSENSITIVE]["state"] == "OK"
    assert [report.failed for report in (*reports, *more) if report.failed] == []
