"""What every API model shares: camelCase names, immutability, and the scalar types of the API.

Read models ignore unknown fields: the API server prunes what the schema does not know, and an older
operator must be able to read objects written for a newer schema.
"""

import re
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DECIMAL_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?$"
DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

DecimalString = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=23)]
"""A decimal number as a quoted string, in base units (seconds, ratios, bytes)."""

DurationString = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
"""A duration such as `30s`, `5m`, `1h30m`; units h, m, s and ms."""

ObjectName = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
"""The name of a Kubernetes object or of a list entry: a DNS label."""

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
"""The name of an input or output column, as the baseline profile spells it."""


class ApiModel(BaseModel):
    """Base of everything users write and read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_enum_values=False,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the object as the API server stores it: camelCase, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def list_map(*keys: str) -> dict[str, Any]:
    """Return the schema extension that makes a list a map with these keys."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def list_set() -> dict[str, Any]:
    """Return the schema extension that makes a list of scalars a set."""
    return {"x-kubernetes-list-type": "set"}


def list_atomic() -> dict[str, Any]:
    """Return the schema extension that makes a list be replaced as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


def parse_duration(text: str) -> float:
    """Return the seconds that a duration string means.

    Raises
    ------
    ValueError
        If the text is not a duration of the API.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write for example 30s, 5m or 1h30m")
    return sum(
        int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|h|m|s)", text)
    )


def parse_decimal(text: str) -> float:
    """Return the number that a decimal string means.

    Raises
    ------
    ValueError
        If the text is not a decimal of the API.
    """
    if not re.fullmatch(DECIMAL_PATTERN, text):
        raise ValueError(f'{text!r} is not a decimal: write for example "0.25", quoted')
    return float(text)
