"""JSON bodies to documents, whatever arrives."""

import json
from typing import Any

import orjson

from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.core.wire.pane import Undecodable


def read_json(content: bytes, reason: Undecodable) -> Any:
    """Return the document of a body.

    Nesting is limited by the parsers (1024 levels), size by who collected the body.

    Raises
    ------
    UndecodableError
        With this reason, if the body is not JSON.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in content and b"Infinity" not in content:
            raise UndecodableError(reason) from error
    # Python's own encoder writes NaN and Infinity, which JSON does not know.
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UndecodableError(reason) from error
