"""Frames of HTTP/2, made and read by hand."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

HEAD: Final = struct.Struct(">IBI")


@dataclass(frozen=True)
class Frame:
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    def encode(self) -> bytes:
        return HEAD.pack(len(self.payload) << 8 | self.kind, self.flags, self.stream) + self.payload


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return Frame(kind, flags, stream, payload).encode()


def frames_of(data: bytes) -> list[Frame]:
    """Return the frames that are complete."""
    found, at = [], 0
    while len(data) - at >= HEAD.size:
        word, flags, stream = HEAD.unpack_from(data, at)
        start, end = at + HEAD.size, at + HEAD.size + (word >> 8)
        if end > len(data):
            break
        found.append(Frame(word & 0xFF, flags, stream, data[start:end]))
        at = end
    return found


def as_text(headers: Iterable[Any]) -> list[tuple[str, str]]:
    """Return decoded headers as pairs."""
    return [(name, value) for name, value in headers]
