"""Header compression of HTTP/2 (HPACK, RFC 7541), as somebody reads it who only watches.

A watcher may have missed the beginning, so an entry of the table that is not known makes one header
unknown and nothing else. And he needs few of the headers: values of the others stay as they were
written, Huffman coding and all. Blocks that were read before are not read again: most calls of a
client are the same few bytes, which refer to the table and do not change it.
"""

import functools
from collections import deque
from typing import Final, NamedTuple

import msgspec
from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

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
from modelmonitor.collector.observer.headers import (
    KEPT_HEADERS,
    MAX_KEPT_PATH,
    MAX_VALUE,
    Headers,
    UnreadableError,
    headers_of,
    path_of,
)

MAX_TABLE: Final = 64 * 1024
"""Bytes of a connection's table in one direction; entries beyond are unknown."""
MAX_REMEMBERED: Final = 16
"""Blocks of one direction whose meaning is kept."""
MAX_REMEMBERED_BLOCK: Final = 512

_SAID: Final = frozenset({b":method", b":path", b":status", b"grpc-status"})
_WANTED: Final = KEPT_HEADERS | _SAID
_STATUS_DIGITS: Final = 3
_GRPC_CODES: Final = {b"%d" % code: code for code in range(17)}
_GRPC_UNKNOWN: Final = 2
"""gRPC reads a status that it does not know as UNKNOWN."""


class Fields(msgspec.Struct, frozen=True):
    """What one header block says."""

    method: bytes
    path: bytes
    """Without query."""
    status: int
    """0: none, or unknown."""
    grpc_status: int | None
    headers: Headers

    @property
    def asks(self) -> bool:
        """Whether the block opens a request, rather than ending one with trailers."""
        return bool(self.method or self.path)


class Entry(NamedTuple):
    """A header as the table keeps it."""

    name: bytes
    """Empty: unknown."""
    value: bytes
    """As written."""
    coded: bool
    """The value is Huffman-coded."""


_STATIC: Final = tuple(Entry(name, value, coded=False) for name, value in HeaderTable.STATIC_TABLE)
_UNKNOWN: Final = Entry(b"", b"", coded=False)


class BlockReader:
    """Reads the header blocks of one direction, in order.

    How long a coded value is in clear is not known, only how long at least. So entries leave the
    table later than they could, never earlier; those too many are older than all that is referred
    to, since references count from the newest.
    """

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        """Oldest first."""
        self._limit = FIRST_TABLE
        self._size = 0
        self._changed = False
        self._remembered: dict[bytes, Fields] = {}

    @property
    def size(self) -> int:
        """Bytes of the table by HPACK's measure, or less."""
        return self._size

    def read(self, block: bytes) -> Fields:
        """Return what a whole header block says.

        Raises
        ------
        UnreadableError
            If it is no header block; nothing after it can be read.
        """
        fields = self._remembered.get(block)
        if fields is not None:
            return fields
        self._changed = False
        try:
            fields = _fields(tuple(self._decode(block).items()))
        except (HPACKError, MalformedBlockError, IndexError) as error:
            raise UnreadableError from error
        if self._changed:
            self._remembered.clear()
        elif len(block) <= MAX_REMEMBERED_BLOCK:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[block] = fields
        return fields

    def _decode(self, block: bytes) -> dict[bytes, bytes]:
        """Return the headers that are wanted, and change the table as the block says."""
        found: dict[bytes, bytes] = {}
        at, end = 0, len(block)
        while at < end:
            first = block[at]
            if first & INDEXED:
                index, at = integer(block, at, 0x7F)
                entry = self._entry(index)
            elif first & INSERTED:
                entry, at = self._literal(block, at, 0x3F)
                self._insert(entry)
            elif first & RESIZED:
                limit, at = integer(block, at, 0x1F)
                self._resize(limit)
                continue
            else:
                entry, at = self._literal(block, at, 0x0F)
            if entry.name in _WANTED:
                value = _plain(entry.value) if entry.coded else entry.value
                found[entry.name] = value[:MAX_KEPT_PATH]
        return found

    def _entry(self, index: int) -> Entry:
        if not index:
            raise UnreadableError
        if index <= len(_STATIC):
            return _STATIC[index - 1]
        index -= len(_STATIC)
        return self._entries[-index] if index <= len(self._entries) else _UNKNOWN

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[Entry, int]:
        index, at = integer(block, at, mask)
        if index:
            name = self._entry(index).name
        else:
            name, coded, at = _string(block, at)
            if coded:
                name = _plain(name)
        value, coded, at = _string(block, at)
        return Entry(name, value, coded), at

    def _insert(self, entry: Entry) -> None:
        self._changed = True
        self._entries.append(entry)
        self._size += _least_size(entry)
        self._evict()

    def _resize(self, limit: int) -> None:
        self._changed = True
        self._limit = min(limit, MAX_TABLE)
        self._evict()

    def _evict(self) -> None:
        while self._size > self._limit:
            self._size -= _least_size(self._entries.popleft())


def _least_size(entry: Entry) -> int:
    length = len(entry.value)
    clear = least_length(length) if entry.coded else length
    return ENTRY_OVERHEAD + len(entry.name) + clear


def _string(block: bytes, at: int) -> tuple[bytes, bool, int]:
    """Return a string as it is written, whether it is coded, and where it ends (§5.2)."""
    coded = block[at] >= HUFFMAN
    length, start = integer(block, at, 0x7F)
    end = start + length
    if end > len(block):
        raise UnreadableError
    return block[start:end], coded, end


@functools.lru_cache(maxsize=256)
def _remembered_plain(coded: bytes) -> bytes:
    return bytes(decode_huffman(coded))


def _plain(coded: bytes) -> bytes:
    """Return a Huffman-coded string in clear; `HPACKError` if it is none."""
    if len(coded) > MAX_VALUE:
        return bytes(decode_huffman(coded))
    return _remembered_plain(coded)


@functools.lru_cache(maxsize=256)
def _fields(found: tuple[tuple[bytes, bytes], ...]) -> Fields:
    said = dict(found)
    code = said.get(b"grpc-status")
    status = said.get(b":status", b"")
    kept = {
        name: value for name, value in found if name in KEPT_HEADERS and len(value) <= MAX_VALUE
    }
    return Fields(
        method=said.get(b":method", b""),
        path=path_of(said.get(b":path", b"")),
        status=int(status) if len(status) == _STATUS_DIGITS and status.isdigit() else 0,
        grpc_status=None if code is None else _GRPC_CODES.get(code, _GRPC_UNKNOWN),
        headers=headers_of(kept),
    )
