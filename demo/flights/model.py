"""The model: whether a flight will arrive more than a quarter of an hour late.

A gradient boosting over trees, small enough (60 kB) to travel in a ConfigMap, so that a retrained
one reaches the serving pods on any cluster, without shared storage.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from demo.flights.columns import CATEGORICAL, INPUTS, LABEL, NUMERIC, PART, PREDICTION, SCORE

_SEED: Final = 2013


@dataclass(frozen=True)
class Quality:
    """How good a model is on rows it has not seen.

    Attributes
    ----------
    rows
        Number of rows.
    late_ratio
        Share of late flights among them.
    auc
        Area under the ROC curve; 0.5 is guessing, 1 is perfect.
    """

    rows: int
    late_ratio: float
    auc: float

    def __str__(self) -> str:
        """One line for logs."""
        return f"AUC {self.auc:.3f} on {self.rows} rows, {self.late_ratio:.1%} late"


def read_flights(table: Path, part: str) -> pd.DataFrame:
    """Return the rows of one prepared table that are kept for one use, in time order.

    Parameters
    ----------
    table
        A file written by `demo.flights.prepare.prepare`.
    part
        One of `demo.flights.columns.PARTS`.
    """
    # Codes are text even if they look like something else: "NA" would be a valid airline.
    types = dict.fromkeys(CATEGORICAL, "object")
    rows = pd.read_csv(
        table, dtype=types, keep_default_na=False, na_values={name: [""] for name in NUMERIC}
    )
    return rows[rows[PART] == part].drop(columns=PART).reset_index(drop=True)


def train(rows: pd.DataFrame) -> Pipeline:
    """Fit the model on labelled rows; the same rows give the same model."""
    encode = ColumnTransformer(
        [
            (
                "codes",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                list(CATEGORICAL),
            )
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    boost = HistGradientBoostingClassifier(
        categorical_features=list(range(len(CATEGORICAL))),
        max_iter=100,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=60,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=_SEED,
    )
    return Pipeline([("encode", encode), ("boost", boost)]).fit(rows[list(INPUTS)], rows[LABEL])


def save(model: Pipeline, path: Path) -> None:
    """Write the model compressed, for `demo.flights.runtime.FlightModel` to load."""
    joblib.dump(model, path, compress=("xz", 6))


def scored(model: Pipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the model's class and its probability of "late" beside them."""
    probability = model.predict_proba(rows[list(INPUTS)])[:, 1]
    return rows.assign(**{PREDICTION: (probability > 0.5).astype(int), SCORE: probability})


def quality(rows: pd.DataFrame) -> Quality:
    """Judge a model by rows that `scored` has returned."""
    return Quality(
        rows=len(rows),
        late_ratio=float(rows[LABEL].mean()),
        auc=float(roc_auc_score(rows[LABEL], rows[SCORE])),
    )
