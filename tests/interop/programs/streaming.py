"""MLServer's runtime for scikit-learn, which answers streams of requests too."""

from collections.abc import AsyncIterator

from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel


class StreamedModel(SKLearnModel):
    """Answers each request of a stream like a request of its own."""

    async def predict_stream(
        self, payloads: AsyncIterator[InferenceRequest]
    ) -> AsyncIterator[InferenceResponse]:
        """Answer in the order of the requests."""
        async for payload in payloads:
            yield await self.predict(payload)
