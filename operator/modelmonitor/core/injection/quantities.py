"""Amounts of resources as Kubernetes writes them: `50m`, `96Mi`, `1.5`, `2e3`."""

import re
from decimal import Decimal
from typing import Final

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
)
_POWERS_OF_TEN: Final = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_POWERS_OF_TWO: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(text: str) -> Decimal:
    """Return the amount in base units: cores, bytes, pieces.

    Raises
    ------
    ValueError
        If the text is not a quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: write for example 50m, 1.5 or 96Mi")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix in _POWERS_OF_TWO:
        return number * (1 << _POWERS_OF_TWO[suffix])
    if suffix in _POWERS_OF_TEN:
        return number.scaleb(_POWERS_OF_TEN[suffix])
    return number.scaleb(int(suffix[1:]))
