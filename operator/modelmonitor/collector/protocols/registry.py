"""All decoders, by the protocols that the API names."""

from collections.abc import Mapping
from typing import Final

from modelmonitor.collector.protocols.base import Call, Decoder, Rows, Schema
from modelmonitor.collector.protocols.generic import GenericDecoder
from modelmonitor.collector.protocols.kserve_v1 import KServeV1Decoder
from modelmonitor.collector.protocols.mlflow import MLflowDecoder
from modelmonitor.collector.protocols.openai import OpenAIDecoder
from modelmonitor.collector.protocols.openinference import OpenInferenceDecoder
from modelmonitor.collector.protocols.openinference_grpc import (
    MEDIA_TYPE,
    OpenInferenceGRPCDecoder,
)
from modelmonitor.collector.protocols.recognition import (
    AUTO,
    JSON,
    KSERVE_V1,
    MLFLOW,
    OPEN_INFERENCE,
    OPENAI,
)
from modelmonitor.core.wire.configuration import JSONPaths

PROTOCOLS: Final = (AUTO, OPEN_INFERENCE, KSERVE_V1, MLFLOW, OPENAI, JSON)
"""What a port may be configured to speak."""


def decoders(paths: JSONPaths | None = None) -> Mapping[str, Decoder]:
    """Return the decoders of a port, by protocol; `paths` are those of generic JSON.

    Raises
    ------
    PointerError
        If a path is not a JSON Pointer.
    """
    return {
        OPEN_INFERENCE: _OpenInferenceDecoder(),
        KSERVE_V1: KServeV1Decoder(),
        MLFLOW: MLflowDecoder(),
        OPENAI: OpenAIDecoder(),
        JSON: GenericDecoder(paths),
    }


class _OpenInferenceDecoder:
    """Reads OpenInference v2 over either transport."""

    def __init__(self) -> None:
        self._http = OpenInferenceDecoder()
        self._grpc = OpenInferenceGRPCDecoder()

    def decode(self, call: Call, schema: Schema) -> Rows:
        content_type = call.request_headers.get(b"content-type", b"")
        decoder = self._grpc if content_type.startswith(MEDIA_TYPE) else self._http
        return decoder.decode(call, schema)
