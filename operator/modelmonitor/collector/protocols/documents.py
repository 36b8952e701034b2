"""JSON bodies to documents, whatever arrives."""

import json
from typing import Any, Final

import orjson

from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.core.wire.pane import Undecodable

MAX_ELEMENTS: Final = 512 * 1024
"""Values, lists and objects of one body. Each becomes an object of up to 64 bytes, so that a body
within the cap of its size could still fill the observer's memory with empty lists."""
JSON_MARKS: Final = b",[{"
"""What begins or parts the elements of JSON."""


def read_json(content: bytes, reason: Undecodable) -> Any:
    """Return the document of a body.

    Nesting is limited by the parsers (1024 levels), size by who collected the body.

    Raises
    ------
    UndecodableError
        With this reason, if the body is not JSON; `TooLarge`, if it has too many elements.
    """
    check_elements(content, JSON_MARKS)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in content and b"Infinity" not in content:
            raise UndecodableError(reason) from error
    # Python's own encoder writes NaN and Infinity, which JSON does not know.
    try:
        document = json.loads(content)
        if b"\\u" in content:  # half a surrogate pair is no text
            json.dumps(document, ensure_ascii=False).encode()
        return document
    except (ValueError, RecursionError) as error:
        raise UndecodableError(reason) from error


def check_elements(content: bytes, marks: bytes) -> None:
    """Refuse a body whose elements, counted by the bytes that begin or part them, are too many."""
    if len(content) > MAX_ELEMENTS:
        found = sum(map(content.count, marks))
        if found > MAX_ELEMENTS:
            raise UndecodableError(Undecodable.TOO_LARGE)


def text_of(value: Any) -> str:
    """Return a value if it is text."""
    return value if isinstance(value, str) else ""
