"""What every decoder gets and gives: a schema of columns in, rows by column out."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from modelmonitor.core.profile import OutputLocator
from modelmonitor.core.wire.pane import Undecodable

Column: TypeAlias = "Sequence[Any] | None"
"""One column's values, one a row; None where the message does not have the column."""


class UndecodableError(Exception):
    """A message that does not become rows."""

    def __init__(self, reason: Undecodable) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The serving schema: what is looked for in a message."""

    inputs: tuple[str, ...]
    """Names of the inputs in serving order, ignored ones too."""
    outputs: tuple[OutputLocator, ...]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of one request."""

    rows: int
    columns: list[Column]
    """In the order of `Schema.inputs`."""


class Decoder(Protocol):
    """Reads one protocol's messages, parsed from JSON already.

    Both methods accept any JSON value and raise `UndecodableError` and nothing else for what they
    cannot read.
    """

    def request(self, document: Any, schema: Schema) -> Inputs:
        """Return the inputs of a request."""

    def response(self, document: Any, schema: Schema, rows: int) -> list[Column]:
        """Return the outputs of a response to `rows` rows, in the order of `Schema.outputs`."""


def flattened(data: Any) -> list[Any]:
    """Return the scalars of nested lists, row-major; a scalar is a list of one.

    Raises
    ------
    TypeError
        If lists and scalars are mixed on one level.
    """
    values = data if isinstance(data, list) else [data]
    while values and isinstance(values[0], list):
        values = list(itertools.chain.from_iterable(values))
    return values


def strided(values: Sequence[Any], rows: int, index: int) -> Sequence[Any]:
    """Return position `index` of the last dimension, of row-major values for `rows` rows.

    Raises
    ------
    UndecodableError
        If the values are not that many rows, or not that wide.
    """
    if rows == 0 and not values:
        return values
    if rows == 0 or len(values) % rows or not 0 <= index < len(values) // rows:
        raise UndecodableError(Undecodable.RESPONSE_SHAPE)
    return values[index :: len(values) // rows]
