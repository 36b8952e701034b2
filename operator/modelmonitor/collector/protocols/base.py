"""What every decoder gets and gives: a request with its response in, rows by column out."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import msgspec
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import OutputLocator
from modelmonitor.core.wire.pane import Undecodable

Values: TypeAlias = Sequence[Any] | NDArray[Any]
Column: TypeAlias = Values | None
"""One column's values, one a row; None where the message does not have the column."""


MOST_UNEXPECTED: Final = 16
"""Names that one message is asked for; an object may have thousands of keys."""


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
    arrays: frozenset[str] = frozenset()
    """Inputs of which a row may be a whole array, such as a picture."""
    names: frozenset[str] | None = None
    """Names of the inputs, where others are to be told; None: nobody asks for others."""


class Call(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A request that succeeded, with its response; bodies are plain, without content coding."""

    path: bytes
    """Without query; of HTTP/2 as well."""
    request_headers: Mapping[bytes, bytes]
    """Lower-case names; those of `framing.KEPT_HEADERS` only."""
    request: bytes
    response_headers: Mapping[bytes, bytes]
    response: bytes
    request_end: int = 0
    """Monotonic microseconds."""
    times: Sequence[tuple[int, int]] = ()
    """Of a response that is a stream of events: (offset of a part, monotonic microseconds)."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The inputs of one request: either `columns` or `matrix`."""

    rows: int
    columns: Sequence[Column] = ()
    """In the order of `Schema.inputs`."""
    matrix: Values | None = None
    """All values of all inputs, row-major, length `rows * len(schema.inputs)`: what one tensor
    holds already. It is cut into columns only when many rows have gathered."""
    unexpected: Sequence[str] | None = None
    """Some of the names that the message has and the schema has not; None: the message does not
    name its inputs, or nobody asks."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer of a text generator used and how it ended."""

    streamed: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    """None: the answer does not say."""
    finish_reasons: Sequence[str] = ()
    """One a choice."""
    first_token: int | None = None
    """Monotonic microseconds of the first event with text; None: not streamed."""


class Rows(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one call says."""

    inputs: Inputs
    outputs: Sequence[Column] = ()
    """In the order of `Schema.outputs`."""
    model: str = ""
    version: str = ""
    """Where the messages name them."""
    generation: Generation | None = None


def unexpected(names: Iterable[Any], schema: Schema) -> Sequence[str] | None:
    """Return the first names that the schema does not have; None where nobody asks for them."""
    known = schema.names
    if known is None:
        return None
    others = (name for name in names if name not in known and isinstance(name, str))
    return list(itertools.islice(others, MOST_UNEXPECTED))


def columns_of(inputs: Inputs, width: int) -> Sequence[Column]:
    """Return `width` columns, cut out of the matrix where there is one."""
    matrix = inputs.matrix
    if matrix is None:
        return inputs.columns
    return [matrix[index::width] for index in range(width)]


class Decoder(Protocol):
    """Reads the calls of one protocol.

    Any bytes are accepted; `UndecodableError` and nothing else is raised for what is not read.
    """

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the rows of a call."""


def flattened(data: Any) -> list[Any]:
    """Return the scalars of nested lists, row-major; a scalar is a list of one.

    Raises
    ------
    TypeError
        If lists and scalars are mixed on one level.
    """
    values = data if isinstance(data, list) else [data]
    while values and isinstance(values[0], list):
        if set(map(type, values)) != {list}:
            raise TypeError("lists and scalars on one level")
        values = list(itertools.chain.from_iterable(values))
    return values


def strided(values: Values, rows: int, index: int) -> Values:
    """Return position `index` of the last dimension, of row-major values for `rows` rows.

    Raises
    ------
    UndecodableError
        If the values are not that many rows, or not that wide.
    """
    if rows == 0 and not len(values):
        return values
    if rows == 0 or len(values) % rows or not 0 <= index < len(values) // rows:
        raise UndecodableError(Undecodable.RESPONSE_SHAPE)
    return values[index :: len(values) // rows]
