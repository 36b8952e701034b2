"""Heads of HTTP/1.1 messages: the bytes up to the empty line. httptools says whether they are one.

Heads repeat: the clients of a model send the same bytes again and again, and so does the model
within a second. So what a head means is remembered by its bytes, within limits.
"""

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import httptools
import msgspec

from modelmonitor.collector.observer.headers import (
    KEPT_HEADERS,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_VALUE,
    Headers,
    UnreadableError,
    headers_of,
    path_of,
)

CHUNKED: Final = -1
"""Length of a body that comes in chunks."""
UNTIL_END: Final = -2
"""Length of a response's body that ends with the connection."""
MAX_REMEMBERED: Final = 512
MAX_REMEMBERED_HEAD: Final = 2048
"""Bytes; longer heads are read anew each time."""

_NOBODY: Final = object()
"""Is told nothing by a parser; what it would tell is slower to take than to find."""
_MET: Final = 1024
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_SPACES: Final = b" \t"
_NO_BODY: Final = frozenset({204, 304})
_FINAL_STATUS: Final = 200
_LENGTH_DIGITS: Final = 18


class RequestHead(msgspec.Struct, frozen=True):
    """What a request's head says."""

    method: bytes
    path: bytes
    """Without query."""
    headers: Headers
    length: int
    """Bytes of the body, or `CHUNKED`."""


class ResponseHead(msgspec.Struct, frozen=True):
    """What a response's head says."""

    status: int
    headers: Headers
    length: int
    """Bytes of the body, `CHUNKED` or `UNTIL_END`; a response to HEAD has none all the same."""


Head = TypeVar("Head", RequestHead, ResponseHead)


class _Memory(Generic[Head]):
    """What heads mean, by their bytes.

    A head is remembered when it comes a second time. Where each has an id of its own, nothing is:
    to keep what never comes again costs more than to read it, because all of it has to be
    forgotten again.
    """

    def __init__(self, read: Callable[[bytes], Head]) -> None:
        self._read: Callable[[bytes], Head] = read
        self._known: dict[bytes, Head] = {}
        self._met = [0] * _MET
        """Hashes of heads that came once, each at its place."""

    def read(self, head: bytes) -> Head:
        """Return what a head says."""
        said = self._known.get(head)
        if said is None:
            said = self._read(head)
            number = hash(head)
            place = number % _MET
            if self._met[place] != number:
                self._met[place] = number
            elif len(head) <= MAX_REMEMBERED_HEAD:
                if len(self._known) >= MAX_REMEMBERED:
                    self._known.clear()
                self._known[head] = said
        return said


class HeadCheck:
    """Tells early that bytes will not become a head, while the end of it has not come.

    Parameters
    ----------
    requests
        The head is a request's; else a response's.
    """

    def __init__(self, *, requests: bool) -> None:
        kind = httptools.HttpRequestParser if requests else httptools.HttpResponseParser
        self._parser = kind(_NOBODY)
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Look at more bytes.

        Raises
        ------
        UnreadableError
            If no head begins like this, or none is as long.
        """
        self._size += len(data)
        if self._size > MAX_HEAD:
            raise UnreadableError
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return
        except httptools.HttpParserError as error:
            raise UnreadableError from error


def _checked_lines(
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser, head: bytes
) -> list[bytes]:
    """Return the lines of a head, or raise `UnreadableError` unless these bytes are one head.

    The lines end as they should and the only empty one is the last, so what the parser accepts is
    a head up to its last byte, without a body or a second message.
    """
    if b"\r\n " in head or b"\r\n\t" in head:
        head = _FOLD.sub(b" ", head)
    lines = head.split(b"\r\n")
    if len(lines) > MAX_HEADERS or len(lines) != head.count(b"\n") + 1:
        raise UnreadableError
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        return lines  # an offer: unless the model answers with 101, HTTP/1.1 goes on
    except httptools.HttpParserError as error:
        raise UnreadableError from error
    return lines


def _request_head(head: bytes) -> RequestHead:
    parser = httptools.HttpRequestParser(_NOBODY)
    lines = _checked_lines(parser, head)
    target = lines[0].partition(b" ")[2].lstrip(b" ").partition(b" ")[0]
    kept = _kept(lines)
    return RequestHead(parser.get_method(), path_of(target), headers_of(kept), _length(kept, 0))


def _response_head(head: bytes) -> ResponseHead:
    parser = httptools.HttpResponseParser(_NOBODY)
    kept = _kept(_checked_lines(parser, head))
    status = parser.get_status_code()
    bodiless = status < _FINAL_STATUS or status in _NO_BODY
    return ResponseHead(status, headers_of(kept), 0 if bodiless else _length(kept, UNTIL_END))


def _kept(lines: list[bytes]) -> dict[bytes, bytes]:
    """Return the headers that are kept; of several with one name, the last."""
    kept = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in KEPT_HEADERS:
            if len(value) <= MAX_VALUE:
                kept[name] = value.strip(_SPACES)
            elif name in _FRAMING:
                raise UnreadableError  # where the body ends is not known
    return kept


def _length(kept: dict[bytes, bytes], otherwise: int) -> int:
    """Return a body's length by its headers (RFC 9112 §6.3)."""
    coding = kept.get(b"transfer-encoding")
    if coding is not None:
        last = coding.rpartition(b",")[2].strip().lower()
        return CHUNKED if last == b"chunked" else otherwise
    length = kept.get(b"content-length")
    if length is None:
        return otherwise
    if not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise UnreadableError
    return int(length)


_requests: Final = _Memory(_request_head)
_responses: Final = _Memory(_response_head)


def request_head(head: bytes) -> RequestHead:
    """Return what a request's head says.

    Parameters
    ----------
    head
        All bytes up to and with the empty line.

    Raises
    ------
    UnreadableError
        If it is no head of HTTP/1.x, or more than one.
    """
    return _requests.read(head)


def response_head(head: bytes) -> ResponseHead:
    """Return what a response's head says; arguments and errors as of `request_head`."""
    return _responses.read(head)
