"""Values that the baseline does not list: which ones are frequent, and what may be said of them.

A value is what a caller sent, so it is not named in clear unless the monitor's owner says so for
its column. Otherwise a keyed hash stands for it: equal values of one column have equal names, and
who does not have the key can neither read them nor try out guesses.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, Protocol

from datasketches import frequent_items_error_type, frequent_strings_sketch

from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import MAX_NOVEL

MAX_NOVEL_NAME: Final = 64
"""Characters of a name."""
HASH_PREFIX: Final = "#"
HASH_DIGITS: Final = 12
"""Hex digits: two of a thousand values share a name once in 500 million columns."""

_LONGEST_KEY: Final = 64
_CANDIDATES_LOG2: Final = 7
_CANDIDATE_LENGTH: Final = 128
"""Characters of a value that tell it from others; longer ones are told apart by length too."""
_PLACEHOLDER: Final = "\N{REPLACEMENT CHARACTER}"


class Naming(Protocol):
    """Says what may be said of a value."""

    def __call__(self, text: str) -> str:
        """Return the name of a value."""


def revealed(text: str) -> str:
    """Return a value's beginning in clear, without what is not printable."""
    return "".join(
        character if character.isprintable() else _PLACEHOLDER
        for character in text[:MAX_NOVEL_NAME]
    )


def hashed(key: bytes, column: str) -> Naming:
    """Return a naming by HMAC-SHA256; equal values of two columns have different names."""

    def name(text: str) -> str:
        message = f"{column}\0{text}".encode(errors="replace")
        return HASH_PREFIX + hmac.digest(key, message, hashlib.sha256).hex()[:HASH_DIGITS]

    return name


def naming_of(configuration: CollectorConfiguration, column: str) -> Naming | None:
    """Return how new values of a column are named; None: they are counted only."""
    if column in configuration.reveal:
        return revealed
    key = hash_key(configuration)
    return hashed(key, column) if key else None


def hash_key(configuration: CollectorConfiguration) -> bytes:
    """Return the key of the configuration's hashes; empty: there is none, or it is not readable."""
    try:
        return base64.urlsafe_b64decode(configuration.hashKey)[:_LONGEST_KEY]
    except (binascii.Error, ValueError):
        return b""


class NovelTable:
    """Counts the most frequent of any number of values, in bounded memory.

    Up to 96 different values are counted exactly. Beyond, rare ones are given up: a count is never
    above the true one, and a value of more than a thirtieth of all rows is never missed (Anderson
    and others, 2017, "A high-performance algorithm for identifying frequent items in data
    streams").
    """

    def __init__(self) -> None:
        self._sketch = frequent_strings_sketch(_CANDIDATES_LOG2)

    def add(self, text: str, rows: int) -> None:
        """Count a value."""
        if len(text) > _CANDIDATE_LENGTH:
            text = f"{text[:_CANDIDATE_LENGTH]}…{len(text)}"
        if not text.isascii():
            text = text.encode(errors="replace").decode()
        self._sketch.update(text, rows)

    def counts(self, naming: Naming) -> dict[str, int]:
        """Return the most frequent values' names and rows, at most `MAX_NOVEL`."""
        found: dict[str, int] = {}
        kind = frequent_items_error_type.NO_FALSE_NEGATIVES
        for text, _, least, _ in self._sketch.get_frequent_items(kind):
            if least > 0:
                name = naming(text)
                found[name] = found.get(name, 0) + int(least)
        return most_frequent(found, MAX_NOVEL)


def shortened(name: str, length: int) -> str:
    """Return a name of at most `length` characters."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def most_frequent(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Return the largest counts, largest first, equal ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])
