"""Header compression of HTTP/2 (HPACK, RFC 7541), as somebody reads it who only watches.

A watcher may have missed the beginning, so an entry of the table that is not known makes one header
unknown and nothing else. Blocks that were read before are not read again: most calls of a client
are the same few bytes, which refer to the table and do not change it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from hpack import Decoder
from hpack.exceptions import HPACKError
from hpack.table import HeaderTable

from modelmonitor.collector.observer.headers import (
    KEPT_HEADERS,
    MAX_HEAD,
    MAX_VALUE,
    Headers,
    UnreadableError,
    headers_of,
    path_of,
)

MAX_TABLE: Final = 64 * 1024
"""Bytes of a connection's table in one direction; entries beyond are unknown. Both ends begin with
4096; changes are part of the header blocks (RFC 7541 §6.3), so SETTINGS need not be read."""
MAX_REMEMBERED: Final = 16
"""Blocks of one direction whose meaning is kept."""
MAX_REMEMBERED_BLOCK: Final = 512

_SAID: Final = frozenset({b":method", b":path", b":status", b"grpc-status"})
_STATUS_DIGITS: Final = 3
_UNKNOWN: Final = (b"", b"")
_NO_LIMIT: Final = 1 << 62
_LAST_STATIC: Final = HeaderTable.STATIC_TABLE_LENGTH
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


class _Table(HeaderTable):
    """A table that may lack its oldest entries, and knows when it changed."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def get_by_index(self, index: int) -> tuple[bytes, bytes]:
        """Return an entry; one that is not known has no name."""
        if index > _LAST_STATIC + len(self.dynamic_entries) or index == 0:
            return _UNKNOWN
        return super().get_by_index(index)

    def add(self, name: bytes, value: bytes) -> None:
        """Add an entry."""
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        """The size in bytes that entries are evicted above."""
        return self._maxsize

    @maxsize.setter
    def maxsize(self, size: int) -> None:
        self.changes += 1
        self._maxsize = min(size, MAX_TABLE)
        self._shrink()


class BlockReader:
    """Reads the header blocks of one direction, in order."""

    def __init__(self) -> None:
        self._table = _Table()
        self._decoder = Decoder(max_header_list_size=MAX_HEAD)
        self._decoder.header_table = self._table
        self._decoder.max_allowed_table_size = _NO_LIMIT
        self._remembered: dict[bytes, Fields] = {}

    def entries(self) -> list[tuple[bytes, bytes]]:
        """Return the table, newest entry first."""
        return list(self._table.dynamic_entries)

    def read(self, block: bytes) -> Fields:
        """Return what a whole header block says.

        Raises
        ------
        UnreadableError
            If it is no header block, or says too much; nothing after it can be read.
        """
        fields = self._remembered.get(block)
        if fields is not None:
            return fields
        before = self._table.changes
        try:
            decoded = self._decoder.decode(block, raw=True)
        except (HPACKError, IndexError) as error:
            raise UnreadableError from error
        fields = _fields(decoded)
        if self._table.changes != before:
            self._remembered.clear()
        elif len(block) <= MAX_REMEMBERED_BLOCK:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[block] = fields
        return fields


def _fields(decoded: Iterable[tuple[bytes, bytes]]) -> Fields:
    kept: dict[bytes, bytes] = {}
    said: dict[bytes, bytes] = {}
    for name, value in decoded:
        if name in KEPT_HEADERS:
            if len(value) <= MAX_VALUE:
                kept[bytes(name)] = bytes(value)
        elif name in _SAID:
            said[bytes(name)] = bytes(value)
    code = said.get(b"grpc-status")
    status = said.get(b":status", b"")
    return Fields(
        method=said.get(b":method", b""),
        path=path_of(said.get(b":path", b"")),
        status=int(status) if len(status) == _STATUS_DIGITS and status.isdigit() else 0,
        grpc_status=None if code is None else _GRPC_CODES.get(code, _GRPC_UNKNOWN),
        headers=headers_of(kept),
    )
