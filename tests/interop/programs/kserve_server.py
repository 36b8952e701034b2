"""The KServe SDK's server around the model, for V1 and V2, over HTTP and gRPC."""

from typing import Any

import kserve
from kserve.utils.utils import get_predict_input, get_predict_response

from tests.interop.programs.model import trained


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


if __name__ == "__main__":
    flowers = Flowers("iris")
    flowers.load()
    kserve.ModelServer().start([flowers])
