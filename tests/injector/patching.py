"""JSON patches applied as the API server applies them: `add` and `replace` only (RFC 6902)."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from modelmonitor.injector.patches import PatchOperation


def apply_patch(document: Any, patch: Sequence[PatchOperation]) -> Any:
    """Return the patched document; the given one stays as it is."""
    patched = deepcopy(document)
    for operation in patch:
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation.path.split("/")[1:]
        ]
        target = patched
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        value = deepcopy(operation.value)
        if isinstance(target, list) and operation.op == "replace":
            assert int(last) < len(target)
            target[int(last)] = value
        elif isinstance(target, list):
            assert last == "-"
            target.append(value)
        else:
            assert operation.op == "add" or last in target
            target[last] = value
    return patched
