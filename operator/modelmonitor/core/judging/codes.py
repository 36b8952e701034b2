"""Status codes as panes name them, and which of them are errors."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from modelmonitor.core.wire.pane import GRPC_CODE_PREFIX, NO_RESPONSE

HTTP_OF_GRPC: Final[Mapping[int, int]] = {
    0: 200,  # OK
    1: 499,  # CANCELLED
    2: 500,  # UNKNOWN
    3: 400,  # INVALID_ARGUMENT
    4: 504,  # DEADLINE_EXCEEDED
    5: 404,  # NOT_FOUND
    6: 409,  # ALREADY_EXISTS
    7: 403,  # PERMISSION_DENIED
    8: 429,  # RESOURCE_EXHAUSTED
    9: 400,  # FAILED_PRECONDITION
    10: 409,  # ABORTED
    11: 400,  # OUT_OF_RANGE
    12: 501,  # UNIMPLEMENTED
    13: 500,  # INTERNAL
    14: 503,  # UNAVAILABLE
    15: 500,  # DATA_LOSS
    16: 401,  # UNAUTHENTICATED
}
"""gRPC status code → HTTP status code, as the comments of google.rpc.Code map them."""

_HTTP_CODE: Final = re.compile(r"[1-5]\d\d", re.ASCII)


def http_code(code: str) -> str:
    """Return the HTTP status code that a pane's code counts as; what is no gRPC code stays."""
    number = code.removeprefix(GRPC_CODE_PREFIX)
    if number == code:
        return code
    # What the library does not know, it takes for UNKNOWN.
    return str(HTTP_OF_GRPC.get(int(number), 500) if number.isdecimal() else 500)


def code_class(code: str) -> str:
    """Return the class of a pane's code: `1xx` to `5xx`, `none`, or `other`."""
    if code == NO_RESPONSE:
        return code
    http = http_code(code)
    return f"{http[0]}xx" if _HTTP_CODE.fullmatch(http) else "other"


def by_class(codes: Mapping[str, int]) -> dict[str, int]:
    """Return requests by class of their code; there are few classes, whatever servers send."""
    classes: Counter[str] = Counter()
    for code, requests in codes.items():
        classes[code_class(code)] += requests
    return dict(classes)


def is_error(code: str, classes: Iterable[str]) -> bool:
    """Return whether a pane's code is an error.

    Parameters
    ----------
    code
        As in a pane; no response at all is always an error.
    classes
        HTTP status codes that are errors, or classes of them such as `5xx`.
    """
    if code == NO_RESPONSE:
        return True
    http = http_code(code)
    return any(http[:1] == each[:1] if each.endswith("xx") else http == each for each in classes)
