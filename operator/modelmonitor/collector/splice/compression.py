"""What a new reader of an HTTP/2 connection would have to know of its header compression.

HPACK (RFC 7541) shortens headers by a table that both ends fill while they speak, so whoever begins
to read in the middle needs the table first. A `CompressionTable` follows one direction's table
without undoing the Huffman coding: it keeps the entries as they were written, from which header
blocks are made that fill another reader's table with the same entries at the same places.

Entries are given up when they must have left the real table. As Huffman-coded lengths are not
known, only bounded from below, some entries too many are kept; they are older than all that can be
referred to, and the reader's own table lets them go.
"""

from typing import Final, NamedTuple

from modelmonitor.collector.http2 import (
    ENTRY_OVERHEAD,
    FIRST_TABLE,
    HUFFMAN,
    INDEXED,
    INSERTED,
    RESIZED,
    MalformedBlockError,
    integer,
    least_length,
)

MAX_KEPT: Final = 32 * 1024
"""Bytes of one table; a larger one is not known any more."""
MAX_KEPT_OF_ALL: Final = 4 * 1024 * 1024
"""Bytes of all tables."""
BLOCK_BYTES: Final = 8 * 1024
"""A replayed header block becomes no longer, unless by a single entry."""

_STATIC_ENTRIES: Final = 61
_LONG_INDEX: Final = 0xFF
"""A reference that takes more than this byte."""
_SHORT: Final = 0x7F
"""Of a string's first byte: the length, if it is less."""
_PYTHON_OVERHEAD: Final = 100
"""Bytes that an entry takes beside its own, about."""

WITHOUT_CHANGE: Final = bytes(range(0x80, 0xFF))
"""A block of only these bytes refers to entries and adds none: each is a whole reference."""


class Memory:
    """What all tables of a process take together."""

    def __init__(self) -> None:
        self.used = 0
        """Bytes."""


class _Entry(NamedTuple):
    name: bytes
    """The representation up to the name, which is not a reference into the table."""
    value: bytes
    least: int
    """The entry's size in HPACK's measure, or less."""
    taken: int
    """Bytes that it takes here, about."""


class CompressionTable:
    """The table of one direction of one connection."""

    __slots__ = ("_entries", "_least", "_memory", "_size", "_taken", "known")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._entries: list[_Entry] = []
        self._size = FIRST_TABLE
        self._least = 0
        self._taken = 0
        self.known = True
        """False: it became too large to be kept."""

    def read(self, block: bytes) -> None:
        """Follow the changes that one whole header block makes.

        Raises
        ------
        MalformedBlockError
            If it is no header block.
        """
        if not self.known or not block.translate(None, WITHOUT_CHANGE):
            return
        try:
            self._read(block)
        except IndexError as error:
            raise MalformedBlockError("a header block ends early or names no entry") from error

    def replay(self) -> list[bytes]:
        """Return header blocks that bring an empty table to where this one is."""
        blocks, block = [], b""
        if self._size != FIRST_TABLE:
            block = _encoded(RESIZED, 0x1F, self._size)
        for entry in self._entries:
            block += entry.name + entry.value
            if len(block) > BLOCK_BYTES:
                blocks.append(block)
                block = b""
        return [*blocks, block] if block else blocks

    def release(self) -> None:
        """Give the memory back."""
        self._entries.clear()
        self._memory.used -= self._taken
        self._taken = self._least = 0

    def _read(self, block: bytes) -> None:
        at, end = 0, len(block)
        while at < end:
            first = block[at]
            if first & INDEXED:
                if first != _LONG_INDEX:
                    at += 1
                else:
                    _, at = integer(block, at, 0x7F)
            elif first & INSERTED:
                at = self._insert(block, at)
            elif first & RESIZED:
                self._size, at = integer(block, at, 0x1F)
                self._evict()
            else:
                index, at = integer(block, at, 0x0F)
                if not index:
                    at, _ = _past_string(block, at)
                at, _ = _past_string(block, at)
        if at != end:
            raise MalformedBlockError("a header block ends in the middle of a value")

    def _insert(self, block: bytes, start: int) -> int:
        index, at = integer(block, start, 0x3F)
        least = ENTRY_OVERHEAD
        if not index:
            at, length = _past_string(block, at)
            least += length
            name = block[start:at]
        elif index <= _STATIC_ENTRIES:
            name = block[start:at]
        else:
            name = self._entries[_STATIC_ENTRIES - index].name
        value_start = at
        at, length = _past_string(block, at)
        taken = len(name) + at - value_start + _PYTHON_OVERHEAD
        least += length
        self._entries.append(_Entry(name, block[value_start:at], least, taken))
        self._least += least
        self._taken += taken
        self._memory.used += taken
        if self._least > self._size:
            self._evict()
        if self._taken > MAX_KEPT or self._memory.used > MAX_KEPT_OF_ALL:
            self.known = False
            self.release()
            return len(block)
        return at

    def _evict(self) -> None:
        while self._least > self._size and self._entries:
            entry = self._entries.pop(0)
            self._least -= entry.least
            self._taken -= entry.taken
            self._memory.used -= entry.taken


def _past_string(block: bytes, at: int) -> tuple[int, int]:
    """Return where a string ends, and its length or less (RFC 7541 §5.2)."""
    first = block[at]
    coded, length = first & HUFFMAN, first & _SHORT
    at += 1
    if length == _SHORT:
        length, at = integer(block, at - 1, _SHORT)
    end = at + length
    if end > len(block):
        raise MalformedBlockError("a header block ends in the middle of a string")
    return end, (least_length(length) if coded else length)


def _encoded(prefix: int, mask: int, value: int) -> bytes:
    """Return a number behind a prefix: what `integer` reads."""
    if value < mask:
        return bytes((prefix | value,))
    encoded = bytearray((prefix | mask,))
    rest = value - mask
    while rest >> 7:
        encoded.append(0x80 | (rest & 0x7F))
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
