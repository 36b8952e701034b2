"""The model as a BentoML service: a matrix in, a list of labels out."""

import bentoml
import numpy as np

from tests.interop.programs.iris import trained


@bentoml.service
class Flowers:
    """Answers labels."""

    def __init__(self) -> None:
        self.model = trained()

    @bentoml.api
    def predict(self, x: np.ndarray) -> list[int]:
        """Return the label of each row."""
        return [int(label) for label in self.model.predict(x)]
