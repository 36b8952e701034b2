"""The reference of the API, written from the schema: every field, type, default, unit and rule."""

import json
from collections.abc import Iterator
from typing import Any, Final

from modelmonitor.api.v1alpha1 import conditions
from modelmonitor.api.v1alpha1.base import (
    ARGUMENT_PATTERN,
    CPU_PATTERN,
    DECIMAL_PATTERN,
    DURATION_PATTERN,
    JSON_POINTER_PATTERN,
    MEMORY_PATTERN,
    NAME_PATTERN,
    VARIABLE_PATTERN,
)
from modelmonitor.api.v1alpha1.monitor import GROUP, KIND, VERSION
from modelmonitor.crd.definition import monitor_schema
from modelmonitor.crd.schema import Schema

_INTRODUCTION: Final = f"""\
# {KIND} reference

<!-- Written by `make generate` from the models in operator/modelmonitor/api; edit those. -->

`apiVersion: {GROUP}/{VERSION}`, `kind: {KIND}`, short name `mm`.

- A **decimal** is a number in quotes, in base units (seconds, ratios, bytes): `"0.25"`.
- A **duration** is made of hours, minutes, seconds and milliseconds: `30s`, `5m`, `1h30m`.
- A field without default may be absent unless it is called *required*.
- Rules are checked by the API server when a monitor is applied, by `modelmonitor lint` without
  one, and once more by the operator.
"""

_NAMED_PATTERNS: Final = {
    DECIMAL_PATTERN: "decimal",
    DURATION_PATTERN: "duration",
    NAME_PATTERN: "name",
    CPU_PATTERN: "CPU",
    MEMORY_PATTERN: "memory",
    JSON_POINTER_PATTERN: "JSON Pointer",
    VARIABLE_PATTERN: "variable",
    ARGUMENT_PATTERN: "argument",
}

_REASONS: Final[tuple[tuple[str, type[conditions.Documented]], ...]] = (
    ("Ready", conditions.ReadyReason),
    ("Reconciling", conditions.ReconcilingReason),
    ("TargetResolved", conditions.TargetReason),
    ("CollectorsReady", conditions.CollectorsReason),
    ("BaselineReady", conditions.BaselineReason),
    ("MetricsAvailable", conditions.MetricsReason),
    ("Alerting", conditions.AlertingReason),
    ("RetrainingActive", conditions.RetrainingReason),
    ("Suspended", conditions.SuspendedReason),
    ("`status.metrics[].reason`", conditions.VerdictReason),
    ("`status.injection.reason`", conditions.BreakerReason),
    ("`status.retraining.episode.cause`", conditions.EpisodeCause),
)


def reference_markdown() -> str:
    """Return the reference as Markdown."""
    schema = monitor_schema()
    parts = [_INTRODUCTION, *_root_rules(schema)]
    for name in ("spec", "status"):
        parts.extend(_sections(name, schema["properties"][name]))
    parts.append("## Conditions\n")
    parts.append(_word_table("Condition", conditions.ConditionType))
    parts.append("## Reasons\n")
    parts.append("Reasons are part of the API; messages are for people and may change.\n")
    for title, words in _REASONS:
        parts.append(f"### {title}\n")
        parts.append(_word_table("Reason", words))
    return "\n".join(parts)


def _root_rules(schema: Schema) -> list[str]:
    return [f"{_rules(schema)}\n"] if "x-kubernetes-validations" in schema else []


def _sections(path: str, schema: Schema) -> Iterator[str]:
    """Yield the section of one object and then those of the objects in it, in their order."""
    yield f"{'###' if '.' in path else '##'} {path}\n"
    yield f"{schema['description']}\n"
    yield _field_table(schema)
    if "x-kubernetes-validations" in schema:
        yield f"{_rules(schema)}\n"
    for name, field in schema["properties"].items():
        inner, suffix = (field["items"], "[]") if field["type"] == "array" else (field, "")
        if inner.get("properties") and not inner.get("x-kubernetes-preserve-unknown-fields"):
            yield from _sections(f"{path}.{name}{suffix}", inner)


def _field_table(schema: Schema) -> str:
    required = schema.get("required", ())
    rows = ["| Field | Type | Default | Meaning |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        default = "*required*" if name in required else _default(field)
        rows.append(f"| `{name}` | {_type(field)} | {default} | {_cell(field['description'])} |")
    return "\n".join(rows) + "\n"


def _rules(schema: Schema) -> str:
    return "\n".join(
        f"- {_place(each)}{each['message']}." for each in schema["x-kubernetes-validations"]
    )


def _place(rule: dict[str, str]) -> str:
    """Return the field that a rule speaks of, unless its message names it."""
    path = rule.get("fieldPath", "").removeprefix(".")
    return "" if path.split(".")[-1] in rule["message"] else f"`{path}`: "


def _default(field: Schema) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else ""


def _type(field: Schema) -> str:
    """Return the type of a field in words."""
    match field["type"]:
        case "array":
            return f"list of {_type(field['items'])}, {_between(field, 'minItems', 'maxItems')}"
        case "integer":
            bounds = _between(field, "minimum", "maximum")
            return f"integer, {bounds}" if bounds else "integer"
        case "string":
            return _string_type(field)
        case kind:
            return str(kind)


def _string_type(field: Schema) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{each}`" for each in field["enum"])
    if field.get("format") == "date-time":
        return "time"
    if "pattern" in field:
        named = _NAMED_PATTERNS.get(field["pattern"])
        return named or f"string like `{_cell(field['pattern'])}`"
    return f"string, at most {field['maxLength']} characters"


def _between(field: Schema, low: str, high: str) -> str:
    if low in field and high in field:
        return f"{field[low]} to {field[high]}"
    if high in field:
        return f"at most {field[high]}"
    return f"at least {field[low]}" if low in field else ""


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _word_table(title: str, words: type[conditions.Documented]) -> str:
    rows = [f"| {title} | Meaning |", "|---|---|"]
    rows.extend(f"| `{word}` | {_cell(word.sentence)} |" for word in words)
    return "\n".join(rows) + "\n"
