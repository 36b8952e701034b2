"""Which decoder reads a message, and which requests are predictions at all."""

import functools
import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from modelmonitor.collector.protocols.base import Call, Decoder
from modelmonitor.collector.protocols.generic import GenericDecoder
from modelmonitor.collector.protocols.openinference import (
    OpenInferenceDecoder,
    looks_like_openinference,
)

AUTO: Final = "Auto"
OPEN_INFERENCE: Final = "OpenInference"
JSON: Final = "JSON"
MAX_PATH: Final = 1024
"""Bytes; a longer path is no prediction server's."""

_V2_INFER: Final = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_V1_PREDICT: Final = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?:predict")
_V2_PREFIX: Final = "/v2/"

DECODERS: Final[dict[str, Decoder]] = {
    OPEN_INFERENCE: OpenInferenceDecoder(),
    JSON: GenericDecoder(),
}


class Target(NamedTuple):
    """What a request's method, path and content type say."""

    inference: bool
    """The request is a prediction: its body is worth decoding."""
    model: str = ""
    version: str = ""


@functools.lru_cache(maxsize=256)
def target_of(protocol: str, method: bytes, path: bytes, content_type: bytes) -> Target:
    """Return what a request is for.

    Parameters
    ----------
    protocol
        Auto, OpenInference or JSON, as configured for the port.
    method, path, content_type
        From the request's head; path without query.
    """
    if len(path) > MAX_PATH:
        return Target(inference=False)
    text = path.decode("utf-8", errors="replace")
    match = _V2_INFER.fullmatch(text) or _V1_PREDICT.fullmatch(text)
    model, version = (unquote(part or "") for part in match.groups()) if match else ("", "")
    if method != b"POST":
        return Target(inference=False, model=model, version=version)
    if text.startswith(_V2_PREFIX):
        return Target(inference=match is not None, model=model, version=version)
    if protocol == OPEN_INFERENCE:
        return Target(inference=False, model=model, version=version)
    is_json = protocol == JSON or not content_type or b"json" in content_type.lower()
    return Target(inference=is_json, model=model, version=version)


def protocol_of(protocol: str, call: Call) -> str:
    """Return the protocol of a call: as configured, else by path and content."""
    if protocol != AUTO:
        return protocol
    if call.path.startswith(_V2_PREFIX.encode()) or looks_like_openinference(call.request):
        return OPEN_INFERENCE
    return JSON
