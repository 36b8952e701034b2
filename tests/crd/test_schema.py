"""The generator says what Kubernetes understands, and refuses the rest with the field's path."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from modelmonitor.api.v1alpha1.base import ApiModel, list_atomic, list_map, list_set
from modelmonitor.api.v1alpha1.rules import RuleReason, rule
from modelmonitor.crd.schema import UnsupportedSchemaError, structural_schema, without_defaults


class Colour(StrEnum):
    """A colour."""

    RED = "Red"
    BLUE = "Blue"


class Entry(ApiModel):
    """An entry."""

    name: Annotated[str, Field(max_length=5)] = Field(description="Its name.")

    @rule("self.name != 'x'", "not x", at=".name", reason=RuleReason.FORBIDDEN)
    def _is_not_x(self) -> bool:
        return self.name != "x"


class Everything(ApiModel):
    """All that can be said."""

    colour: Colour = Field(default=Colour.RED, description="A colour.")
    only: Literal["this"] = Field(description="One word.")
    maybe: Annotated[str, Field(max_length=3)] | None = Field(default=None, description="Maybe.")
    entry: Entry | None = Field(default=None, description="One entry.")
    entries: list[Entry] = Field(
        max_length=2, description="Entries.", json_schema_extra=list_map("name")
    )
    words: list[Annotated[str, Field(max_length=3)]] | None = Field(
        default=None, max_length=2, description="Words.", json_schema_extra=list_set()
    )
    number: Annotated[int, Field(ge=0, le=9)] = Field(default=1, description="A number.")
    switch: bool = Field(default=False, description="A switch.")
    free: dict[str, Any] = Field(
        default_factory=dict,
        description="Anything.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


def test_every_form_has_its_structural_schema() -> None:
    name = {"description": "Its name.", "type": "string", "maxLength": 5}
    entry_rule = {
        "rule": "self.name != 'x'",
        "message": "not x",
        "reason": "FieldValueForbidden",
        "fieldPath": ".name",
    }
    entry = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": name},
        "x-kubernetes-validations": [entry_rule],
    }
    assert structural_schema(Everything) == {
        "description": "All that can be said.",
        "type": "object",
        "required": ["only", "entries"],
        "properties": {
            "colour": {
                "description": "A colour.",
                "type": "string",
                "enum": ["Red", "Blue"],
                "default": "Red",
            },
            "only": {"description": "One word.", "type": "string", "enum": ["this"]},
            "maybe": {"description": "Maybe.", "type": "string", "maxLength": 3},
            "entry": {"description": "One entry.", **entry},
            "entries": {
                "description": "Entries.",
                "type": "array",
                "maxItems": 2,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"description": "An entry.", **entry},
            },
            "words": {
                "description": "Words.",
                "type": "array",
                "maxItems": 2,
                "x-kubernetes-list-type": "set",
                "items": {"type": "string", "maxLength": 3},
            },
            "number": {
                "description": "A number.",
                "type": "integer",
                "format": "int64",
                "default": 1,
                "minimum": 0,
                "maximum": 9,
            },
            "switch": {"description": "A switch.", "type": "boolean", "default": False},
            "free": {
                "description": "Anything.",
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
    }


class Strict(BaseModel):
    """Refuses unknown fields, which a structural schema cannot say."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=5)] = Field(description="Its name.")


TEXT = Annotated[str, Field(max_length=5)]

REFUSED: dict[str, tuple[Any, str]] = {
    "no description": ((TEXT, ...), "field: a field needs a description"),
    "no maximum of a string": (
        (str, Field(description="d")),
        "field: a string needs maxLength",
    ),
    "no maximum of a list": (
        (list[TEXT], Field(description="d", json_schema_extra=list_atomic())),
        "field: a list needs maxItems",
    ),
    "no maximum of a list's entries": (
        (list[str], Field(description="d", max_length=3, json_schema_extra=list_atomic())),
        "field[]: a string needs maxLength",
    ),
    "no list type": (
        (list[TEXT], Field(description="d", max_length=3)),
        "field: a list needs a list type, not None",
    ),
    "a list map without keys": (
        (
            list[Entry],
            Field(
                description="d", max_length=3, json_schema_extra={"x-kubernetes-list-type": "map"}
            ),
        ),
        "field: a list of type map needs its keys",
    ),
    "a list map whose key may be absent": (
        (
            list[Everything],
            Field(description="d", max_length=3, json_schema_extra=list_map("maybe")),
        ),
        "field: the key maybe of the list must be required",
    ),
    "a union": (
        (TEXT | bool, Field(description="d")),
        "field: unions other than `X | None = …`",
    ),
    "null that is required": (
        (TEXT | None, Field(description="d")),
        "field: unions other than `X | None = …`",
    ),
    "a float": ((float, Field(description="d")), "field: type 'number' is not supported"),
    "anything": ((Any, Field(description="d")), "field: type None is not supported"),
    "an exclusive bound": (
        (int, Field(description="d", gt=0)),
        "field: exclusiveMinimum not supported on integer",
    ),
    "a tuple": (
        (
            tuple[TEXT, TEXT],
            Field(description="d", json_schema_extra=list_atomic()),
        ),
        "field: a list needs items",
    ),
    "a map": ((dict[str, TEXT], Field(description="d")), "field: an object needs properties"),
    "closed objects": (
        (Strict, Field(description="d")),
        "field: additionalProperties not supported on object",
    ),
    "an unknown format": (
        (TEXT, Field(description="d", json_schema_extra={"format": "uuid"})),
        "field: the string format uuid is unknown",
    ),
}


@pytest.mark.parametrize(("field", "message"), REFUSED.values(), ids=REFUSED)
def test_what_kubernetes_would_misread_is_refused(field: Any, message: str) -> None:
    model = create_model("Model", field=field)
    with pytest.raises(UnsupportedSchemaError) as caught:
        structural_schema(model)
    assert str(caught.value) == message


def test_the_path_leads_into_lists_and_objects() -> None:
    inner = create_model("Inner", deep=(float, Field(description="d")))
    items = Field(description="d", max_length=1, json_schema_extra=list_atomic())
    outer = create_model("Outer", list=(list[inner], items))
    with pytest.raises(UnsupportedSchemaError) as caught:
        structural_schema(outer)
    assert caught.value.path == "list[].deep"


class NarrowEntry(Entry):
    """An entry with one more rule."""

    @rule("self.name != 'y'", "not y")
    def _is_not_y(self) -> bool:
        return self.name != "y"


def test_a_model_keeps_the_rules_that_it_inherits() -> None:
    rules = structural_schema(NarrowEntry)["x-kubernetes-validations"]
    assert [each["message"] for each in rules] == ["not x", "not y"]


@pytest.mark.parametrize("name", ["x", "y"])
def test_inherited_rules_hold_in_code_too(name: str) -> None:
    with pytest.raises(ValueError, match=f"not {name}"):
        NarrowEntry(name=name)


def test_defaults_can_be_taken_out_at_every_depth() -> None:
    assert "default" not in repr(without_defaults(structural_schema(Everything)))
