"""Saves the model as MLflow does, with a signature of named columns."""

import sys

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from tests.interop.flowers import CLASSES, NAMES, ROWS
from tests.interop.programs.iris import trained

if __name__ == "__main__":
    rows = pd.DataFrame(list(ROWS), columns=list(NAMES))
    mlflow.sklearn.save_model(
        trained(),
        sys.argv[1],
        signature=infer_signature(rows, np.array(CLASSES)),
        pip_requirements=["scikit-learn"],  # else it loads the model once more to find out
    )
