"""The one place where bodies of ModelMonitors become typed objects.

Errors come out as sentences with field paths that a person can find in the manifest: list entries
are called by their name (`spec.metrics[latency-p99].threshold.recoverAt`), as in the CRD's
map lists, not by their position.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from modelmonitor.api.v1alpha1.base import (
    API_VERSION_PATTERN,
    ARGUMENT_PATTERN,
    CPU_PATTERN,
    DECIMAL_PATTERN,
    DURATION_PATTERN,
    JSON_POINTER_PATTERN,
    KIND_PATTERN,
    MEMORY_PATTERN,
    NAME_PATTERN,
    RULES_LATER,
    STATUS_CODE_PATTERN,
    SUBDOMAIN_PATTERN,
    VARIABLE_PATTERN,
)
from modelmonitor.api.v1alpha1.monitor import ModelMonitor

_OPAQUE: Final = ("spec", "retraining", "job", "template")
"""What lies below is another kind's business and is kept as it is."""

_SHOWN_CHARACTERS: Final = 64
"""Longest value that a message repeats."""

_BY_PATTERN: Final = {
    DECIMAL_PATTERN: 'is not a decimal: write for example "0.25", in quotes, in base units '
    "(seconds, ratios, bytes)",
    DURATION_PATTERN: "is not a duration: write for example 30s, 5m or 1h30m (units h, m, s, ms)",
    NAME_PATTERN: "is not a name: use lower-case letters, digits and -, with no - at the ends",
    SUBDOMAIN_PATTERN: "is not a name: use lower-case letters, digits, - and ., with only letters "
    "and digits at the ends",
    API_VERSION_PATTERN: "is not an API version: write for example apps/v1",
    KIND_PATTERN: "is not a kind: write for example Deployment",
    STATUS_CODE_PATTERN: 'is not a status code: write for example "429", or a class such as "5xx"',
    CPU_PATTERN: 'is not an amount of CPU: write for example "50m" or "0.5"',
    MEMORY_PATTERN: 'is not an amount of memory: write for example "96Mi"',
    JSON_POINTER_PATTERN: "is not a JSON Pointer: write for example /payload/rows",
    VARIABLE_PATTERN: "is not the name of an environment variable: write for example PORT",
    ARGUMENT_PATTERN: "is not a command line argument: write for example --http_port",
}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with a manifest."""

    path: str
    """Where: `spec.metrics[latency-p99].threshold.recoverAt`."""
    message: str
    """What is wrong and what to write instead."""

    def __str__(self) -> str:
        """Return the problem as a sentence that begins with its place."""
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidMonitorError(ValueError):
    """A body is no valid ModelMonitor."""

    def __init__(self, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems: Final = problems


def parse_monitor(body: Mapping[str, Any]) -> ModelMonitor:
    """Return the monitor that a body means.

    Unknown fields are ignored, so that an older operator can read what a newer schema allows; null
    is absence, as in the API server. Text is never taken for a number nor a number for text.

    Raises
    ------
    InvalidMonitorError
        If the body breaks the schema or its rules; it names every field that is wrong.
    """
    plain = without_nulls(body)
    try:
        text = orjson.dumps(plain)
        monitor = ModelMonitor.model_validate_json(text, strict=True, context=RULES_LATER)
    except orjson.JSONEncodeError as error:
        raise InvalidMonitorError((FieldProblem("", f"not JSON: {error}"),)) from error
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = (
            FieldProblem(format_path(each["loc"], plain), _sentence(each)) for each in details
        )
        raise InvalidMonitorError(tuple(dict.fromkeys(problems))) from error
    broken = tuple(
        FieldProblem((format_path(path, plain) + rule.at).removeprefix("."), rule.message)
        for path, rule in monitor.broken_rules()
    )
    if broken:
        raise InvalidMonitorError(broken)
    return monitor


def without_nulls(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body without the members that are null, outside the retraining Job's template."""
    return {key: _plain(value, (key,)) for key, value in body.items() if value is not None}


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    if path == _OPAQUE:
        return value
    if isinstance(value, Mapping):
        return {
            key: _plain(member, (*path, str(key)))
            for key, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [_plain(member, path) for member in value]
    return value


def format_path(parts: Sequence[str | int], body: Any) -> str:
    """Return a field path in which list entries are called by their name, where they have one."""
    text, here = "", body
    for part in parts:
        if isinstance(part, int):
            here = here[part] if isinstance(here, list) and part < len(here) else None
            name = here.get("name") if isinstance(here, Mapping) else None
            text += f"[{name}]" if isinstance(name, str) else f"[{part}]"
        else:
            here = here.get(part) if isinstance(here, Mapping) else None
            text += f".{part}" if text else part
    return text


def _sentence(details: ErrorDetails) -> str:
    """Return what an error of the validator means, in the words of the API."""
    context = details.get("ctx", {})
    kind, value = details["type"], details["input"]
    if kind == "string_pattern_mismatch" and context["pattern"] in _BY_PATTERN:
        return f"{_shown(value)} {_BY_PATTERN[context['pattern']]}"
    if kind in _SENTENCES:
        return _SENTENCES[kind](value, context)
    if kind == "value_error":
        return str(context["error"])
    return f"{_shown(value)}: {details['msg']}"


def _at_least(number: int, what: str) -> str:
    return "must not be empty" if number == 1 else f"must have at least {number} {what}"


def _not_a_string(value: Any, _context: Mapping[str, Any]) -> str:
    if isinstance(value, bool | int | float):
        return f'must be text, not {_named(value)}: write "{_bare(value)}" in quotes'
    return f"must be text, not {_named(value)}"


_SENTENCES: Final[dict[str, Callable[[Any, Mapping[str, Any]], str]]] = {
    "missing": lambda _, __: "is required",
    "string_type": _not_a_string,
    "int_type": lambda value, _: f"must be a whole number, not {_unquoted(value)}",
    "bool_type": lambda value, _: f"must be true or false, not {_unquoted(value)}",
    "enum": lambda value, context: f"{_shown(value)} is unknown: use {context['expected']}",
    "list_type": lambda value, _: f"must be a list, not {_named(value)}",
    "dict_type": lambda value, _: f"must be an object with fields, not {_named(value)}",
    "model_type": lambda value, _: f"must be an object with fields, not {_named(value)}",
    "string_too_short": lambda _, context: _at_least(context["min_length"], "characters"),
    "string_too_long": lambda _, context: f"must have at most {context['max_length']} characters",
    "too_short": lambda _, context: _at_least(context["min_length"], "entries"),
    "too_long": lambda _, context: f"must have at most {context['max_length']} entries",
    "greater_than_equal": lambda value, context: f"must be at least {context['ge']}, not {value}",
    "less_than_equal": lambda value, context: f"must be at most {context['le']}, not {value}",
}
"""What the validator's errors mean, by type, from the input and the error's context."""


def _named(value: Any) -> str:
    """Return the JSON type of a value, in words."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _unquoted(value: Any) -> str:
    shown = _shown(value)
    return f"the text {shown}: take the quotes away" if isinstance(value, str) else shown


def _bare(value: Any) -> str:
    return orjson.dumps(value).decode()


def _shown(value: Any) -> str:
    text = _bare(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
