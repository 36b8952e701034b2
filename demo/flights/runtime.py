"""The model server's runtime: MLServer's for scikit-learn, which can be made slow on purpose."""

import asyncio
from pathlib import Path
from typing import Final

from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel

SLOW_FILE: Final = Path("/tmp/slow")
"""While this file is there, each answer of this pod waits for as many seconds as it says."""


class FlightModel(SKLearnModel):
    """Answers like `mlserver_sklearn.SKLearnModel`, and later while `SLOW_FILE` exists.

    A file, so that a reader can slow one replica down and speed it up with `kubectl exec` while
    everything else stays as it is: the model, its answers and the traffic.
    """

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, after the wait that was asked for."""
        await asyncio.sleep(_wait_seconds())
        return await super().predict(payload)


def _wait_seconds() -> float:
    try:
        return float(SLOW_FILE.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0.0
