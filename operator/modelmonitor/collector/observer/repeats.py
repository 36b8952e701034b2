"""Values that come again: how many differ, columns of one value only, and rows that are repeated.

Only keyed hashes are kept. Of text and categories, and of whole rows, they cost microseconds each,
so that they are counted only where a metric asks for them.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.counting.categories import category_text, tally
from modelmonitor.core.counting.columns import Values
from modelmonitor.core.counting.novel import hash_key, hashed
from modelmonitor.core.counting.numeric import to_numbers
from modelmonitor.core.statistics.distinct import FINE_LOG2, DistinctCounter
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import ROWS, DistinctCounts

_COMPARED: Final = frozenset({float, int, str, bool})
"""Types whose equal values have equal texts."""


class DistinctWatcher:
    """Counts the different values of one column.

    Parameters
    ----------
    name, place
        Of the column, and where it stands.
    kind
        Of a numeric column, what is no number is no value.
    key
        Of the hashes.
    """

    def __init__(self, name: str, place: int, kind: ColumnKind, key: bytes) -> None:
        self._name, self._place = name, place
        self._numeric = kind is ColumnKind.NUMERIC
        self._counter = DistinctCounter(key, FINE_LOG2)
        self._values = 0

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows."""
        del rows
        if self._numeric:
            floats = to_numbers(columns[self._place]).floats
            present = floats[~np.isnan(floats)]
            self._values += present.size
            self._counter.add_numbers(present)
            return
        for value, times in tally(columns[self._place]):
            text = _text_of(value)
            if text is not None:
                self._values += times
                self._counter.add(text)

    def parts(self) -> dict[str, Any]:
        """Return what was found so far: values of fields of `Pane`, by name."""
        counts = DistinctCounts(values=self._values, sketch=self._counter.sketch())
        return {"distinct": {self._name: counts}}


class AlikeWatcher:
    """Notices whether one column has one value only; after the second one it costs nothing.

    Parameters
    ----------
    name, place
        Of the column, and where it stands.
    key
        Of the hash that stands for the value.
    """

    def __init__(self, name: str, place: int, key: bytes) -> None:
        self._name, self._place = name, place
        self._naming = hashed(key, name)
        self._only: str | None = None
        self._varies = False

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows."""
        del rows
        values = columns[self._place]
        if self._varies:
            return
        if isinstance(values, np.ndarray):
            values = values.tolist()
        last: Any = None
        for value in values:
            if type(value) in _COMPARED and type(value) is type(last) and value == last:
                continue
            last, text = value, _text_of(value)
            if text is None:
                continue
            if self._only is not None and text != self._only:
                self._varies = True
                return
            self._only = text

    def parts(self) -> dict[str, Any]:
        """Return what was found so far: values of fields of `Pane`, by name."""
        if self._varies or self._only is None:
            return {"alike": {}}
        return {"alike": {self._name: self._naming(self._only)}}


class DuplicateWatcher:
    """Counts different rows.

    Parameters
    ----------
    key
        Of the hashes.
    """

    def __init__(self, key: bytes) -> None:
        self._counter = DistinctCounter(key, FINE_LOG2)
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_opaque)
        self._rows = 0

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows."""
        plain = [
            values.tolist() if isinstance(values, np.ndarray) else values for values in columns
        ]
        for row in itertools.islice(itertools.zip_longest(*plain), rows):
            self._counter.add_bytes(self._bytes(row))
        self._rows += rows

    def parts(self) -> dict[str, Any]:
        """Return what was found so far: values of fields of `Pane`, by name."""
        counts = DistinctCounts(values=self._rows, sketch=self._counter.sketch())
        return {"distinct": {ROWS: counts}}

    def _bytes(self, row: tuple[Any, ...]) -> bytes:
        try:
            return self._encoder.encode(row)
        except (OverflowError, UnicodeEncodeError):  # integers of 65 bits, halves of characters
            return repr(row).encode(errors="replace")


def repeat_watchers(
    configuration: CollectorConfiguration, names: Sequence[str]
) -> list[DistinctWatcher | AlikeWatcher]:
    """Return what looks at the columns of these names, as far as the configuration asks."""
    key, checks = hash_key(configuration), configuration.checks
    places = {name: place for place, name in enumerate(names)}
    kinds = {column.name: column.kind for column in configuration.columns}
    return [
        *(
            DistinctWatcher(name, places[name], kinds[name], key)
            for name in checks.distinct
            if name in places
        ),
        *(AlikeWatcher(name, places[name], key) for name in checks.alike if name in places),
    ]


def _text_of(value: Any) -> str | None:
    """Return the text that names a value; None for one that is missing or no scalar."""
    try:
        return category_text(value)
    except TypeError:
        return None


def _opaque(value: Any) -> Any:
    """Return what msgpack can write instead of a value: arrays are what their bytes are."""
    if isinstance(value, np.ndarray):
        return [list(value.shape), value.dtype.str, value.tobytes()]
    return repr(value)
