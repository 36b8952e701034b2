"""Server-sent events: a response that comes in parts, and when each part came.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6; only the
`data` of events is of interest.
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.core.wire.pane import Undecodable

MEDIA_TYPE: Final = b"text/event-stream"

MAX_LINES: Final = 128 * 1024
"""Lines of one body."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
_FIELD: Final = b"data"


class Event(NamedTuple):
    """An event that is complete."""

    data: bytes
    end: int
    """Offset behind its last line in the body."""


def read_events(content: bytes) -> Iterator[Event]:
    """Yield the events of a body that have data; one that is cut off at the end is not complete.

    Raises
    ------
    UndecodableError
        If there are too many.
    """
    lines: list[bytes] = []
    end = 0
    begin = len(_BOM) if content.startswith(_BOM) else 0
    for number, match in enumerate(_LINE_END.finditer(content, begin)):
        if number >= MAX_LINES:
            raise UndecodableError(Undecodable.TOO_LARGE)
        line, begin = content[begin : match.start()], match.end()
        if not line:
            if lines:
                yield Event(b"\n".join(lines), end)
                lines = []
            continue
        name, _, value = line.partition(b":")
        if name == _FIELD:
            lines.append(value.removeprefix(b" "))
            end = match.end()


def time_of(offset: int, times: Sequence[tuple[int, int]]) -> int | None:
    """Return when the byte before an offset came; None if that was not observed.

    Parameters
    ----------
    offset
        Above 0, of the body.
    times
        Of the body's parts: (offset of the first byte, monotonic microseconds), in order.
    """
    part = bisect.bisect_left(times, (offset,)) - 1
    return times[part][1] if part >= 0 else None
