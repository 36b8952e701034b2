"""HTTP/2 as both who copies it and who reads it have to know it (RFC 9113, RFC 7541)."""

from typing import Final

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9
"""Types of frames (RFC 9113 §6)."""

END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20
"""Flags of frames."""

BLOCKS: Final = frozenset({HEADERS, PUSH_PROMISE, CONTINUATION})
"""Frames that carry a header block, or a part of it."""
LENGTHS: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
"""Bytes of the payload of frames that have always as many."""
STREAM: Final = 0x7FFF_FFFF
"""The bits of a frame's head that name its stream."""

FIRST_TABLE: Final = 4096
"""Bytes of a compression table, in HPACK's own measure, until its sender announces another size.
Changes are part of the header blocks (RFC 7541 §6.3), so SETTINGS need not be read."""
ENTRY_OVERHEAD: Final = 32
"""HPACK counts an entry as the lengths of name and value and this (RFC 7541 §4.1)."""
INDEXED: Final = 0x80
INSERTED: Final = 0x40
RESIZED: Final = 0x20
"""First bits of what a header block is made of (RFC 7541 §6)."""
HUFFMAN: Final = 0x80
"""Of a string's first byte: the string is coded."""

_LONGEST_CODE: Final = 30
"""Bits that Huffman coding takes for one byte at most (RFC 7541 appendix B)."""
_LONGEST_SHIFT: Final = 28
_MORE: Final = 0x80
"""Of a byte of a number: another one follows."""


class MalformedBlockError(ValueError):
    """Bytes that are no header block."""


def least_length(length: int) -> int:
    """Return how many bytes a Huffman-coded string of so many bytes has in clear, or less."""
    return length * 8 // _LONGEST_CODE


def integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Return a number with a prefix of these bits, and where it ends (RFC 7541 §5.1).

    Raises
    ------
    MalformedBlockError
        If it is longer than any number that makes sense.
    IndexError
        If the block ends before it does.
    """
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, _LONGEST_SHIFT + 1, 7):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < _MORE:
            return value, at
    raise MalformedBlockError("a number in a header block has no end")
