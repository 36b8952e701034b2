"""Pydantic models → structural schemas, as Kubernetes wants them, and strictly.

Kubernetes takes a small part of JSON schema and drops or misreads much of the rest in silence. So
this generator knows a list of keywords and refuses everything else, naming the field; it also
refuses what would make a poor API: fields without description, strings and lists without maximum
(their CEL rules could not be bounded), lists without list type (server-side apply could not merge
them).
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]

_COMMON: Final = frozenset({"type", "description", "default", "nullable"})
_EXTENSIONS: Final = frozenset({"x-kubernetes-validations"})
_KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "x-kubernetes-preserve-unknown-fields"}),
    "array": frozenset(
        {
            "items",
            "minItems",
            "maxItems",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
        }
    ),
    "string": frozenset({"enum", "pattern", "minLength", "maxLength", "format"}),
    "integer": frozenset({"minimum", "maximum", "format"}),
    "boolean": frozenset(),
}
"""Keywords of a structural schema by type; whatever is not here is refused."""

_LIST_TYPES: Final = frozenset({"map", "set", "atomic"})
_STRING_FORMATS: Final = frozenset({"date-time"})


class UnsupportedSchemaError(ValueError):
    """A model says something that a structural schema cannot say, or says too little."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the model'}: {problem}")
        self.path: Final = path


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model, with `$ref`s inlined and its rules beside it.

    Raises
    ------
    UnsupportedSchemaError
        If the model uses what a structural schema cannot say; it names the field.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    definitions = document.pop("$defs", {})
    return _Generator(definitions).convert(document, "")


def without_defaults(schema: Schema) -> Schema:
    """Return a schema without any default, as a status needs it: an observation has none."""
    kept = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in kept:
        kept["properties"] = {
            name: without_defaults(field) for name, field in kept["properties"].items()
        }
    if "items" in kept:
        kept["items"] = without_defaults(kept["items"])
    return kept


class _Generator:
    """Walks a JSON schema; knows its definitions."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def convert(self, node: Schema, path: str) -> Schema:
        """Return the structural form of one node."""
        schema = self._plain(node, path)
        schema.pop("title", None)
        if "const" in schema:
            schema["enum"] = [schema.pop("const")]
        kind = schema.get("type")
        if not isinstance(kind, str) or kind not in _KEYWORDS:
            raise UnsupportedSchemaError(path, f"type {kind!r} is not supported")
        if kind == "object":
            self._object(schema, path)
        elif kind == "array":
            self._array(schema, path)
        elif kind == "string":
            _check_string(schema, path)
        elif kind == "integer":
            schema.setdefault("format", "int64")
        allowed = _COMMON | _EXTENSIONS | _KEYWORDS[kind]
        if unknown := sorted(schema.keys() - allowed):
            raise UnsupportedSchemaError(path, f"{', '.join(unknown)} not supported on {kind}")
        _settle_default(schema)
        return _ordered(schema)

    def _plain(self, node: Schema, path: str) -> Schema:
        """Return a node without references, single-entry `allOf`s and alternatives to null."""
        schema = dict(node)
        while True:
            if "$ref" in schema:
                name = schema.pop("$ref").removeprefix("#/$defs/")
                schema = {**self._definitions[name], **schema}
            elif "allOf" in schema and len(schema["allOf"]) == 1:
                (only,) = schema.pop("allOf")
                schema = {**only, **schema}
            elif "anyOf" in schema:
                choices = [each for each in schema.pop("anyOf") if each != {"type": "null"}]
                if len(choices) != 1 or "default" not in schema:
                    raise UnsupportedSchemaError(path, "unions other than `X | None = …`")
                schema = {**choices[0], **schema}
            else:
                return schema

    def _object(self, schema: Schema, path: str) -> None:
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.pop("additionalProperties", None)
        elif "properties" not in schema:
            raise UnsupportedSchemaError(path, "an object needs properties")
        fields = {}
        for name, field in schema.get("properties", {}).items():
            place = f"{path}.{name}" if path else name
            fields[name] = self.convert(field, place)
            if not fields[name].get("description"):
                raise UnsupportedSchemaError(place, "a field needs a description")
        if fields:
            schema["properties"] = fields

    def _array(self, schema: Schema, path: str) -> None:
        if "maxItems" not in schema:
            raise UnsupportedSchemaError(path, "a list needs maxItems")
        list_type = schema.get("x-kubernetes-list-type")
        if list_type not in _LIST_TYPES:
            raise UnsupportedSchemaError(path, f"a list needs a list type, not {list_type!r}")
        if "items" not in schema:
            raise UnsupportedSchemaError(path, "a list needs items")
        schema["items"] = items = self.convert(schema["items"], f"{path}[]")
        if list_type == "map":
            _check_map_keys(schema.get("x-kubernetes-list-map-keys"), items, path)


def _check_map_keys(keys: object, items: Schema, path: str) -> None:
    if not isinstance(keys, list) or not keys:
        raise UnsupportedSchemaError(path, "a list of type map needs its keys")
    for key in keys:
        if key not in items.get("required", ()):
            raise UnsupportedSchemaError(path, f"the key {key} of the list must be required")


def _check_string(schema: Schema, path: str) -> None:
    if "enum" in schema:
        return
    if "maxLength" not in schema:
        raise UnsupportedSchemaError(path, "a string needs maxLength")
    if schema.get("format", "date-time") not in _STRING_FORMATS:
        raise UnsupportedSchemaError(path, f"the string format {schema['format']} is unknown")


def _settle_default(schema: Schema) -> None:
    """Drop a default of null, which is absence, and nulls inside a default."""
    if "default" in schema:
        default = _without_nulls(schema["default"])
        if default is None:
            del schema["default"]
        else:
            schema["default"] = default


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value


def _ordered(schema: Schema) -> Schema:
    """Return the keywords in the order in which a person reads them."""
    first = ["description", "type", "format", "enum", "default"]
    last = ["required", "properties", "items", "x-kubernetes-validations"]
    middle = [key for key in schema if key not in first and key not in last]
    return {key: schema[key] for key in [*first, *middle, *last] if key in schema}
