"""What every API model shares: camelCase names, immutability, and the scalar types of the API.

Read models ignore unknown fields: the API server prunes what the schema does not know, and an older
operator must be able to read objects written for a newer schema.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from modelmonitor.api.v1alpha1.rules import BrokenRulesError, CheckedRule, Rule, rules_of

DECIMAL_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,9})?$"
DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
MOMENT_PATTERN: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
)
NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
API_VERSION_PATTERN: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$"
KIND_PATTERN: Final = r"^[A-Z][A-Za-z0-9]*$"
STATUS_CODE_PATTERN: Final = r"^[1-5](xx|[0-9]{2})$"
CPU_PATTERN: Final = r"^([1-9][0-9]{0,5}m|[0-9]{1,3}(\.[0-9]{1,3})?)$"
JSON_POINTER_PATTERN: Final = r"^(/([^/~]|~[01])*)*$"
VARIABLE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_.]*$"
ARGUMENT_PATTERN: Final = r"^--?[A-Za-z][-A-Za-z0-9_.]*$"
MEMORY_PATTERN: Final = r"^[1-9][0-9]{0,11}(k|M|G|Ki|Mi|Gi)?$"

_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_BYTES: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}

DecimalString = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=23)]
"""A decimal number as a quoted string, in base units (seconds, ratios, bytes)."""

DurationString = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
"""A duration such as `30s`, `5m`, `1h30m`; units h, m, s and ms."""

MomentString = Annotated[str, Field(pattern=MOMENT_PATTERN, max_length=20)]
"""A time in UTC such as `2026-01-31T12:00:00Z`."""

ObjectName = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
"""The name of a Kubernetes object or of a list entry: a DNS label."""

SubdomainName = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
"""The name of a Kubernetes object that may hold dots."""

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
"""The name of an input or output column, as the baseline profile spells it."""


RULES_LATER: Final = object()
"""Validation context: do not check rules, the caller asks for `broken_rules` of the whole."""


class ApiModel(BaseModel):
    """Base of everything users write and read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_enum_values=False,
    )

    checked_rules: ClassVar[tuple[CheckedRule, ...]] = ()
    """Rules that the API server and the operator check; filled from the methods' decorators."""

    transition_rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules about an object and its predecessor `oldSelf`; only the API server can check them."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Collect the rules of a model as its class is made."""
        cls.checked_rules = rules_of(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the model's JSON schema with its rules beside it."""
        schema = handler(core_schema)
        rules = [*cls.transition_rules, *(checked.rule for checked in cls.checked_rules)]
        if rules:
            target = handler.resolve_ref_schema(schema)
            target["x-kubernetes-validations"] = [each.to_schema() for each in rules]
        return schema

    @model_validator(mode="after")
    def _obey_rules(self, info: ValidationInfo) -> Self:
        if info.context is RULES_LATER:
            return self
        broken = tuple(each.rule for each in self.checked_rules if not each.holds(self))
        if broken:
            raise BrokenRulesError(broken)
        return self

    def broken_rules(self) -> Iterator[tuple[tuple[str | int, ...], Rule]]:
        """Yield every rule that is broken here or below, with the path of its object."""
        for each in self.checked_rules:
            if not each.holds(self):
                yield (), each.rule
        for name, field in type(self).model_fields.items():
            member = getattr(self, name)
            entries = enumerate(member) if isinstance(member, list) else [(None, member)]
            for index, entry in entries:
                if isinstance(entry, ApiModel):
                    here = (field.alias or name,) if index is None else (field.alias or name, index)
                    yield from (((*here, *path), rule) for path, rule in entry.broken_rules())

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


def distinct(entries: list[Any], *keys: str) -> list[Any]:
    """Return a list whose entries differ, as the API server wants of sets and maps.

    Parameters
    ----------
    entries
        Scalars, or API models.
    keys
        Names of the attributes that tell models apart; none for scalars.

    Raises
    ------
    ValueError
        If two entries are the same.
    """
    seen: set[Any] = set()
    for entry in entries:
        identity = tuple(getattr(entry, key) for key in keys) if keys else (entry,)
        if identity in seen:
            raise ValueError(f"{', '.join(map(repr, identity))} stands there twice")
        seen.add(identity)
    return entries


def distinct_names(entries: list[Any]) -> list[Any]:
    """Return a list of models whose names differ; see `distinct`."""
    return distinct(entries, "name")


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


def parse_moment(text: str) -> float:
    """Return the seconds since the epoch that a time of the API means.

    Raises
    ------
    ValueError
        If the text is not a time of the API, or the calendar has no such day.
    """
    if not re.fullmatch(MOMENT_PATTERN, text):
        raise ValueError(f"{text!r} is not a time: write for example 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(text).timestamp()


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


def parse_cpu(text: str) -> float:
    """Return the cores that an amount of CPU means.

    Raises
    ------
    ValueError
        If the text is not an amount of CPU.
    """
    if not re.fullmatch(CPU_PATTERN, text):
        raise ValueError(f'{text!r} is not an amount of CPU: write for example "50m" or "0.5"')
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


def parse_memory(text: str) -> int:
    """Return the bytes that an amount of memory means.

    Raises
    ------
    ValueError
        If the text is not an amount of memory.
    """
    if not re.fullmatch(MEMORY_PATTERN, text):
        raise ValueError(f'{text!r} is not an amount of memory: write for example "96Mi"')
    number = text.rstrip("kMGi")
    return int(number) * _BYTES[text[len(number) :]]
