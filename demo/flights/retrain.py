"""The training Job: train, build the new baseline, roll the model out, apply the baseline.

Run by hand once for the first model, and by the monitor whenever it decides to retrain. The model
is rolled out before its baseline is applied: while both versions serve, the old baseline still
judges the old model, and the new one starts when all traffic is the new model's.
"""

import argparse
import base64
import hashlib
import json
import logging
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from demo.flights.columns import INPUTS, LABEL, LATE_CLASS, PREDICTION, SCORE
from demo.flights.kube import Kube
from demo.flights.model import quality, read_flights, save, scored, train
from demo.flights.prepare import SEASONS

_log = logging.getLogger("train")

MODEL: Final = "flight-delay"
"""Name of the model, and of the Deployment that serves it."""

VOLUME: Final = "model"
"""Name of the Deployment's volume that holds the model."""

_EVIDENCE_FILE: Final = "MM_EVIDENCE_FILE"
_MONITOR: Final = "MM_MONITOR"
_SERVER_SETTINGS: Final = {
    "host": "0.0.0.0",
    "http_port": 8080,
    "grpc_port": 8081,
    "metrics_port": 8082,
    "parallel_workers": 0,
    "debug": False,
}


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What to train and where to put it.

    Attributes
    ----------
    table
        Prepared table with the recent labelled flights.
    baseline
        Name of the ConfigMap for the baseline profile.
    publish_as
        Name of the ConfigMap for the model; empty: a name made of its content.
    roll_out
        Seconds to wait for the Deployment to serve the new model; 0: there is none yet.
    """

    table: Path
    baseline: str
    publish_as: str
    roll_out: float


def run(assignment: Assignment, kube: Kube, work: Path) -> None:
    """Do everything the module promises; the first step that fails ends the Job.

    Parameters
    ----------
    assignment
        What to train and where to put it.
    kube
        The API server.
    work
        An empty folder for what is made on the way.
    """
    _tell_evidence()
    model = train(read_flights(assignment.table, "train"))
    reference = scored(model, read_flights(assignment.table, "baseline"))
    _log.info("new model from %s: %s", assignment.table.name, quality(reference))

    artifact, profile = work / "model.joblib", work / "profile.json"
    save(model, artifact)
    build_baseline(reference, profile)
    config_map = publish(kube, artifact.read_bytes(), assignment.publish_as)
    if assignment.roll_out:
        kube.mount_config_map(MODEL, VOLUME, config_map)
        _log.info("rolling out %s", config_map)
        kube.wait_for_rollout(MODEL, assignment.roll_out)
    _modelmonitor(
        "baseline", "apply", str(profile), "--name", assignment.baseline, "-n", kube.namespace
    )
    _log.info("done: %s serves, baseline %s is in force", config_map, assignment.baseline)


def build_baseline(reference: pd.DataFrame, profile: Path) -> None:
    """Write the baseline profile of rows that the model has scored but not been trained on.

    With real traffic one would add `--time`: an hour's flights share an hour's weather, and the
    baseline measures how much less than independent rows they are worth. The demo sends flights
    in random order and a thousand times faster, so what their times tell does not hold for it.
    """
    table = profile.with_suffix(".csv")
    reference[[*INPUTS, LABEL, PREDICTION, SCORE]].to_csv(table, index=False)
    outputs = ("--prediction", PREDICTION, "--score", SCORE, "--score-at", f"{SCORE}:{LATE_CLASS}")
    rows = ("--data", str(table), "--label", LABEL)
    _modelmonitor("baseline", "build", *rows, *outputs, "-o", str(profile))


def publish(kube: Kube, artifact: bytes, name: str) -> str:
    """Write the model and its server's settings to a ConfigMap and return its name."""
    version = hashlib.sha256(artifact).hexdigest()[:10]
    name = name or f"flight-model-{version}"
    model_settings = {
        "name": MODEL,
        "implementation": "demo.flights.runtime.FlightModel",
        "parameters": {"uri": "./model.joblib", "version": version},
    }
    kube.apply_config_map(
        name,
        files={
            "model-settings.json": json.dumps(model_settings, indent=2),
            "settings.json": json.dumps(_SERVER_SETTINGS, indent=2),
        },
        binary={"model.joblib": base64.b64encode(artifact).decode("ascii")},
    )
    _log.info("model %s (%d bytes) is in ConfigMap %s", version, len(artifact), name)
    return name


def _tell_evidence() -> None:
    """Log why the monitor has asked for this run; a run by hand has no evidence."""
    file = os.environ.get(_EVIDENCE_FILE)
    if file is None:
        return
    evidence = json.loads(Path(file).read_text(encoding="utf-8"))
    _log.info("asked for by %s, episode %d", os.environ.get(_MONITOR), evidence["episode"])
    for metric in evidence["metrics"]:
        _log.info("%s is %s: %s", metric["name"], metric["level"], metric["message"])


def _modelmonitor(*arguments: str) -> None:
    """Run the command line that users have, so that the demo needs nothing they have not."""
    subprocess.run(["modelmonitor", *arguments], check=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared tables")
    parser.add_argument("--season", choices=list(SEASONS), required=True)
    parser.add_argument("--baseline", required=True, help="ConfigMap for the baseline profile")
    parser.add_argument("--publish-as", default="", help="ConfigMap for the model")
    parser.add_argument("--roll-out", type=float, default=0.0, help="seconds to wait")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    assignment = Assignment(
        table=arguments.data / f"{arguments.season}.csv.gz",
        baseline=arguments.baseline,
        publish_as=arguments.publish_as,
        roll_out=arguments.roll_out,
    )
    with tempfile.TemporaryDirectory() as work:
        run(assignment, Kube.of_this_pod(), Path(work))


if __name__ == "__main__":
    main()
