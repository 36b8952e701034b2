"""The model of flowers that every server serves; the same rows give the same model."""

from typing import Any

from sklearn.linear_model import LogisticRegression

from tests.interop.flowers import CLASSES, ROWS


def trained() -> Any:
    """Return a classifier of a matrix of numbers."""
    return LogisticRegression(max_iter=1000).fit(list(ROWS), list(CLASSES))
