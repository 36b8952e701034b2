"""What a request is: a prediction or not, of which protocol, and how sure that is."""

import functools
import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote

from modelmonitor.collector.protocols import openai, openinference_grpc
from modelmonitor.collector.protocols.base import Call, UndecodableError
from modelmonitor.collector.protocols.documents import read_json
from modelmonitor.core.wire.pane import Undecodable

AUTO: Final = "Auto"
OPEN_INFERENCE: Final = "OpenInference"
KSERVE_V1: Final = "KServeV1"
MLFLOW: Final = "MLflow"
OPENAI: Final = "OpenAI"
JSON: Final = "JSON"
MAX_PATH: Final = 1024
"""Bytes; a longer path is no prediction server's."""

_V2_INFER: Final = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_V1_PREDICT: Final = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/([^/:]+)|/labels/[^/:]+)?:predict"
)
_INVOCATIONS: Final = re.compile(r"(?:/.*)?/invocations")
_COMPLETIONS: Final = re.compile(r"(?:/.*)?/completions")
_NO_PREDICTION: Final = re.compile(
    r"/v2/(?:models|repository|systemsharedmemory|cudasharedmemory)/.*|/v2/(?:logging|trace.*)"
    r"|/v1/models(?:/.*)?"
    r"|(?:/openai)?/v1/(?:embeddings|responses|moderations|files|batches|images|audio)(?:/.*)?"
)
"""Of servers whose predictions have another path."""
_GRPC_PATHS: Final = frozenset({openinference_grpc.UNARY_PATH, openinference_grpc.STREAM_PATH})


class Confidence(StrEnum):
    """How it is known what protocol a request speaks, the surest first."""

    DECLARED = "Declared"
    """The monitor says so."""
    PATH = "Path"
    """The path is one that only this protocol has."""
    CONTENT = "Content"
    """The body has the members that this protocol asks for."""
    FALLBACK = "Fallback"
    """It is JSON, and nothing says otherwise."""


class Recognition(NamedTuple):
    """What a request was taken for."""

    protocol: str
    confidence: Confidence


class Target(NamedTuple):
    """What a request's method, path and content type say."""

    inference: bool
    """The request is a prediction: its body is worth decoding."""
    model: str = ""
    version: str = ""
    recognition: Recognition | None = None
    """None: only the body can tell."""
    model_within: bool = False
    """The model is named by the body."""


@functools.lru_cache(maxsize=256)
def target_of(protocol: str, method: bytes, path: bytes, content_type: bytes) -> Target:
    """Return what a request is for.

    Parameters
    ----------
    protocol
        Auto or a protocol, as configured for the port.
    method, path, content_type
        From the request's head; path without query.
    """
    if len(path) > MAX_PATH:
        return Target(inference=False)
    target = _by_path(path, content_type)
    if target.recognition is None:
        return _by_content_type(protocol, method, path, content_type)
    known = target.recognition.protocol
    if protocol == known:
        recognition = Recognition(known, Confidence.DECLARED)
    elif protocol == JSON:
        recognition = Recognition(JSON, Confidence.DECLARED)
    else:
        recognition = target.recognition
    inference = method == b"POST" and protocol in {AUTO, JSON, known}
    return target._replace(inference=inference, recognition=recognition)


def _by_path(path: bytes, content_type: bytes) -> Target:
    """Return the target of a path that is a protocol's own."""
    if path in _GRPC_PATHS and content_type.startswith(openinference_grpc.MEDIA_TYPE):
        return _known(OPEN_INFERENCE)._replace(model_within=True)
    text = path.decode("utf-8", errors="replace")
    if match := _V2_INFER.fullmatch(text):
        return _named(OPEN_INFERENCE, match)
    if match := _V1_PREDICT.fullmatch(text):
        return _named(KSERVE_V1, match)
    if _INVOCATIONS.fullmatch(text):
        return _known(MLFLOW)
    if _COMPLETIONS.fullmatch(text):
        return _known(OPENAI)._replace(model_within=True)
    return Target(inference=False)


def _known(protocol: str) -> Target:
    return Target(inference=True, recognition=Recognition(protocol, Confidence.PATH))


def _named(protocol: str, match: re.Match[str]) -> Target:
    model, version = (unquote(part or "") for part in match.groups())
    return _known(protocol)._replace(model=model, version=version)


def _by_content_type(protocol: str, method: bytes, path: bytes, content_type: bytes) -> Target:
    if method != b"POST":
        return Target(inference=False)
    if protocol == JSON:
        return Target(inference=True, recognition=Recognition(JSON, Confidence.DECLARED))
    if _NO_PREDICTION.fullmatch(path.decode("utf-8", errors="replace")):
        return Target(inference=False)
    is_json = not content_type or b"json" in content_type.lower()
    return Target(inference=protocol == AUTO and is_json)


def recognise(call: Call) -> Recognition:
    """Return what a request of no known path was taken for, by its body.

    The members are looked for in the bytes first, so that most bodies are parsed only once.
    """
    content = call.request
    if b'"shape"' in content and b'"inputs"' in content and _has_tensors(content):
        return Recognition(OPEN_INFERENCE, Confidence.CONTENT)
    if b'"messages"' in content and openai.has_messages(content):
        return Recognition(OPENAI, Confidence.CONTENT)
    if b'"dataframe_split"' in content or b'"dataframe_records"' in content:
        return Recognition(MLFLOW, Confidence.CONTENT)
    return Recognition(JSON, Confidence.FALLBACK)


def _has_tensors(content: bytes) -> bool:
    try:
        document = read_json(content, Undecodable.REQUEST_SYNTAX)
    except UndecodableError:
        return False
    inputs = document.get("inputs") if isinstance(document, dict) else None
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(tensor, dict) and "shape" in tensor for tensor in inputs)
    )
