"""CSV to rows, its texts to the types that pandas would read."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.collector.protocols.documents import check_elements
from modelmonitor.core.wire.pane import Undecodable

_MISSING: Final = frozenset(
    {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "n/a", "<NA>", "#N/A", "-nan", "-NaN"}
)
_TRUTH: Final = {"True": True, "False": False, "TRUE": True, "FALSE": False}


def read_csv(content: bytes) -> tuple[list[str], list[Sequence[Any]]]:
    """Return the names of the first line, and the columns below them; without rows, no columns.

    Raises
    ------
    UndecodableError
        If it is not CSV in UTF-8, a row is not as wide as the first line, or there are too many
        values.
    """
    check_elements(content, b",\n\r")
    try:
        lines = [line for line in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UndecodableError(Undecodable.REQUEST_SYNTAX) from error
    if not lines:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    names, *rows = lines
    if not set(map(len, rows)) <= {len(names)}:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return names, [_typed(column) for column in zip(*rows, strict=True)]


def _typed(texts: Sequence[str]) -> Sequence[Any]:
    """Return a column's values: numbers or truth values if all are, else the texts."""
    gaps = not _MISSING.isdisjoint(texts)
    present = [text for text in texts if text not in _MISSING] if gaps else texts
    values = _numbers(present) or [_TRUTH.get(text, text) for text in present]
    if any(type(value) is str for value in values):
        values = present
    if not gaps:
        return values
    following = iter(values)
    return [None if text in _MISSING else next(following) for text in texts]


def _numbers(texts: Sequence[str]) -> Sequence[Any]:
    """Return numbers if all texts are; else nothing."""
    if "_" in "".join(texts):  # Python's spelling of numbers, not CSV's
        return ()
    for kind in (int, float):
        try:
            return list(map(kind, texts))
        except ValueError:
            continue
    return ()
