"""Writes the models of flowers and of orders for MLServer, as `iris.joblib` and `orders.joblib`."""

from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.interop.orders import CLASSES, NAMES, ROWS
from tests.interop.programs import iris


def orders() -> Any:
    """Return a classifier of orders: columns by name."""
    encode = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), ["colour", "site"])],
        remainder="passthrough",
    )
    rows = pd.DataFrame(list(ROWS), columns=list(NAMES))
    return make_pipeline(encode, LogisticRegression()).fit(rows, list(CLASSES))


if __name__ == "__main__":
    joblib.dump(iris.trained(), Path("iris.joblib"))
    joblib.dump(orders(), Path("orders.joblib"))
