"""Headers that are kept, and what one head says: shared by both versions of HTTP."""

from typing import Final

import msgspec

from modelmonitor.collector.protocols.recognition import MAX_PATH

KEPT_HEADERS: Final = frozenset(
    {
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"upgrade",
        b"grpc-encoding",
        b"inference-header-content-length",
        b"x-request-id",
        b"ce-id",
    }
)
MAX_HEAD: Final = 32 * 1024
"""Bytes of a request line, or status line, with its headers."""
MAX_HEADERS: Final = 1024
"""Headers of one message; servers refuse far fewer."""
MAX_VALUE: Final = 256
"""Bytes of a header's value that is kept; a longer one is as good as absent."""
MAX_KEPT_PATH: Final = MAX_PATH + 1
"""Bytes of a path that are kept: enough to see that it is no prediction server's."""

_EVENTS: Final = (b"text/event-stream", b"application/grpc")


class UnreadableError(Exception):
    """The connection does not speak the protocol that it was taken for, or no longer."""


class Headers(msgspec.Struct, frozen=True):
    """What is kept of a message's head."""

    kept: dict[bytes, bytes]
    """Lower-case names; those of `KEPT_HEADERS` only. Shared by exchanges: not to be changed."""
    timed: bool
    """The body is a stream of events."""


def headers_of(kept: dict[bytes, bytes]) -> Headers:
    """Return headers, given those that are kept."""
    return Headers(kept, kept.get(b"content-type", b"").lower().startswith(_EVENTS))


def path_of(target: bytes) -> bytes:
    """Return the path of a request target, without its query."""
    return target.partition(b"?")[0][:MAX_KEPT_PATH]
