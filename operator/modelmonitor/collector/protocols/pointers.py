"""JSON Pointers (RFC 6901): where a document has what is looked for."""

import re
from typing import Any, Final

MAX_POINTER: Final = 256
"""Characters, as in the API."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class PointerError(ValueError):
    """What is not a pointer; the message says what to write instead."""


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the reference tokens of a pointer; of the empty one, none.

    Raises
    ------
    PointerError
        If it is not a JSON Pointer.
    """
    if not text:
        return ()
    if not text.startswith("/") or len(text) > MAX_POINTER:
        raise PointerError(
            f"{text[:64]!r} is not a JSON Pointer of at most {MAX_POINTER} characters; "
            "write for example /data/rows"
        )
    if text.replace("~0", "").replace("~1", "").count("~"):
        raise PointerError(f"{text!r}: in a JSON Pointer, ~ is written ~0 and / is written ~1")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def resolve(document: Any, tokens: tuple[str, ...]) -> Any:
    """Return what a pointer points at.

    Raises
    ------
    LookupError
        If the document has nothing there.
    """
    for token in tokens:
        if isinstance(document, dict):
            document = document[token]
        elif isinstance(document, list) and _INDEX.fullmatch(token):
            document = document[int(token)]
        else:
            raise LookupError(token)
    return document
