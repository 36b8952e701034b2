"""JSON patches (RFC 6902): the only form in which a pod is changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modelmonitor.core.injection.takeover import Edit


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """One step of a JSON patch."""

    op: Literal["add", "replace"]
    path: str
    value: Any


def of_edit(container: str, edit: Edit) -> PatchOperation:
    """Return an edit of the container at this path."""
    return PatchOperation("add" if edit.adds else "replace", f"{container}{edit.path}", edit.value)


def append(path: str, present: Any, values: Sequence[Any]) -> Iterator[PatchOperation]:
    """Yield what adds values to a list that may be missing."""
    if not present:
        yield PatchOperation("add", path, list(values))
        return
    for value in values:
        yield PatchOperation("add", f"{path}/-", value)


def merge(
    path: str, present: Mapping[str, str] | None, values: Mapping[str, str]
) -> Iterator[PatchOperation]:
    """Yield what sets the keys of a map that may be missing; values that stand there are left."""
    if not present:
        if values:
            yield PatchOperation("add", path, dict(values))
        return
    for key, value in values.items():
        if present.get(key) != value:
            escaped = key.replace("~", "~0").replace("/", "~1")
            yield PatchOperation("add", f"{path}/{escaped}", value)
