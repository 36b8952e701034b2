"""The model that every server serves: three kinds of flowers; the same rows give the same model."""

import sys
from pathlib import Path
from typing import Any

import joblib
from sklearn.linear_model import LogisticRegression

from tests.interop.flowers import CLASSES, ROWS


def trained() -> Any:
    """Return the fitted classifier."""
    return LogisticRegression(max_iter=1000).fit(list(ROWS), list(CLASSES))


if __name__ == "__main__":
    joblib.dump(trained(), Path(sys.argv[1]))
