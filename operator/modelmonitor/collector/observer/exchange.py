"""One request with its response, as seen on the wire."""

from typing import Final

import msgspec

from modelmonitor.collector.observer.bodies import Body
from modelmonitor.collector.protocols.recognition import Target
from modelmonitor.core.wire.pane import GRPC_CODE_PREFIX, NO_RESPONSE

SWITCHING_PROTOCOLS: Final = 101
_SUCCESS: Final = range(200, 300)
_CODES: Final = {0: NO_RESPONSE, **{status: str(status) for status in range(100, 600)}}


class Exchange(msgspec.Struct):
    """A request, and the response as far as there is one."""

    port: int
    connection: int
    number: int
    """Counts the requests of a connection, from 0."""
    method: bytes
    path: bytes
    """Without query."""
    headers: dict[bytes, bytes]
    """Lower-case names; those of `framing.KEPT_HEADERS` only."""
    started: int
    """Monotonic microseconds of the first request byte; the other times are in the same unit."""
    request_end: int = 0
    request_complete: bool = False
    first_byte: int = 0
    response_end: int = 0
    status: int = 0
    """0: no response."""
    grpc_status: int | None = None
    """Code of the trailers; None: not gRPC, or none came."""
    response_headers: dict[bytes, bytes] = {}
    target: Target | None = None
    """What the request is for; None if nobody asked."""
    request: Body = msgspec.field(default_factory=Body)
    response: Body = msgspec.field(default_factory=Body)

    @property
    def code(self) -> str:
        """The status code as panes count it."""
        if self.grpc_status is not None:
            return f"{GRPC_CODE_PREFIX}{self.grpc_status}"
        return _CODES.get(self.status) or str(self.status)

    @property
    def succeeded(self) -> bool:
        """Whether the model answered with a result."""
        return self.status in _SUCCESS and not self.grpc_status
