"""The KServe SDK's server around two models, for V1 and V2, over HTTP and gRPC."""

from typing import Any

import kserve
import numpy as np
from kserve.utils.utils import get_predict_input, get_predict_response

from tests.interop.programs.iris import trained


class Flowers(kserve.Model):
    """Answers labels."""

    def load(self) -> bool:
        """Fit the model."""
        self.model = trained()
        self.ready = True
        return True

    def predict(self, payload: Any, *_: Any, **__: Any) -> Any:
        """Answer one request in the protocol in which it came."""
        labels = self.model.predict(get_predict_input(payload))
        return get_predict_response(payload, labels, self.name)


class Orders(kserve.Model):
    """Answers as many zeros and ones, by turns, as there are rows, whatever they hold."""

    def load(self) -> bool:
        """Be ready."""
        self.ready = True
        return True

    def predict(self, payload: Any, *_: Any, **__: Any) -> Any:
        """Answer one request in the protocol in which it came."""
        rows = (
            len(payload["instances"]) if isinstance(payload, dict) else payload.inputs[0].shape[0]
        )
        return get_predict_response(payload, np.arange(rows, dtype=np.int64) % 2, self.name)


if __name__ == "__main__":
    models: list[kserve.Model] = [Flowers("iris"), Orders("orders")]
    for model in models:
        model.load()
    kserve.ModelServer().start(models)
