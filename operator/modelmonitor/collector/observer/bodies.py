"""Message bodies while they are collected, within limits: what is too large is only counted."""

from typing import Final

import msgspec

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes of one body, after decompression too."""
MAX_KEPT: Final = 32 * 1024 * 1024
"""Bytes of all bodies that are being collected at a time."""
MAX_TIMES: Final = 4096
"""Parts of a timed body whose time is kept."""
TIME_BYTES: Final = 128
"""What the time of a part takes, about; it counts as the body's."""
SEPARATE_PARTS: Final = 8
"""Parts of a body that are kept as they came; what follows is put together, since each part takes
memory beside its bytes."""


class Body(msgspec.Struct, kw_only=True):
    """A message body that is collected while somebody wants it."""

    wanted: bool = False
    parts: list[bytes | bytearray] = []
    size: int = 0
    """Bytes of the parts."""
    taken: int = 0
    """Bytes that count as kept, beside those of `size`."""
    too_large: bool = False
    incomplete: bool = False
    """Parts were left out on the way to the observer."""
    timed: bool = False
    """The body is a stream of events: it matters when its parts came."""
    times: list[tuple[int, int]] = []
    """Of a timed body: (offset of a part's first byte, monotonic µs), at most `MAX_TIMES`."""

    def content(self) -> bytes:
        """Return the bytes, still in their content coding."""
        return b"".join(self.parts)


class BodyKeeper:
    """Collects all wanted bodies, and knows how much is kept of all connections together."""

    def __init__(self) -> None:
        self.kept = 0
        """Bytes that are kept now."""

    def keep(self, body: Body, data: bytes, time: int = 0) -> None:
        """Keep a part of a body, unless it, or all of them, become too large.

        Parameters
        ----------
        body
            A body that is wanted.
        data
            What follows of it.
        time
            When, in monotonic microseconds.
        """
        if body.too_large or body.incomplete:
            return
        length = len(data)
        if body.size + length > MAX_MESSAGE or self.kept + length > MAX_KEPT:
            self.release(body)
            body.too_large = True
            return
        if body.timed:
            self._note_time(body, time)
        parts = body.parts
        if len(parts) < SEPARATE_PARTS:
            parts.append(data)
        else:
            last = parts[-1]
            if not isinstance(last, bytearray):
                last = parts[-1] = bytearray(last)
            last += data
        body.size += length
        self.kept += length

    def break_off(self, body: Body) -> None:
        """Note that parts of a body are missing: the rest is of no use."""
        self.release(body)
        body.incomplete = True

    def release(self, body: Body) -> None:
        """Forget what was kept of a body."""
        if body.parts:
            self.kept -= body.size + body.taken
            body.size = body.taken = 0
            body.parts = []
            body.times = []

    def hold(self, length: int) -> bool:
        """Keep bytes that are no body; return whether there is room for them."""
        if self.kept + length > MAX_KEPT:
            return False
        self.kept += length
        return True

    def let_go(self, length: int) -> None:
        """Forget bytes that were held."""
        self.kept -= length

    def _note_time(self, body: Body, time: int) -> None:
        if len(body.times) < MAX_TIMES:
            body.times.append((body.size, time))
            body.taken += TIME_BYTES
            self.kept += TIME_BYTES
