"""Rows of every other type: text, whole numbers, single precision, truth values.

Also read by the programs in the servers' own environments.
"""

from typing import Any, Final

NAMES: Final = ("colour", "site", "size", "rush")
ROWS: Final[tuple[tuple[str, int, float, bool], ...]] = (
    ("red", 7, 0.5, True),
    ("blue", -3, 1.25, False),
    ("grün", 7, 2.5, False),
    ("red", 9007199254740993, 0.75, True),
    ("violet", 0, 3.0, True),
    ("", -3, 0.5, False),
)
CLASSES: Final = (0, 1, 1, 0, 1, 0)


def by_column() -> dict[str, tuple[Any, ...]]:
    """Return the values by column."""
    return dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))
