"""Heads of HTTP/1.1 messages: what httptools makes of the bytes up to the empty line.

Heads repeat: the clients of a model send the same bytes again and again, and so does the model
within a second. So what a head means is remembered by its bytes, within limits.
"""

import functools
from typing import Final

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
    if len(head) > MAX_REMEMBERED_HEAD:
        return _request_head(head)
    return _remembered_request(head)


def response_head(head: bytes) -> ResponseHead:
    """Return what a response's head says; arguments and errors as of `request_head`."""
    if len(head) > MAX_REMEMBERED_HEAD:
        return _response_head(head)
    return _remembered_response(head)


class HeadCheck:
    """Tells early that bytes will not become a head, while the end of it has not come.

    Parameters
    ----------
    requests
        The head is a request's; else a response's.
    """

    def __init__(self, *, requests: bool) -> None:
        kind = httptools.HttpRequestParser if requests else httptools.HttpResponseParser
        self._parser = kind(_Nobody())
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


class _Nobody:
    """Is told nothing."""


class _Reading:
    """What httptools says while it reads a head."""

    def __init__(self) -> None:
        self.messages = 0
        self.url = b""
        self.kept: dict[bytes, bytes] = {}
        self.complete = False
        self.bodies = False
        self._headers = 0

    def on_message_begin(self) -> None:
        self.messages += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        name = name.lower()
        if name in KEPT_HEADERS and len(value) <= MAX_VALUE:
            self.kept[name] = value

    def on_headers_complete(self) -> None:
        self.complete = True

    def on_body(self, _data: bytes) -> None:
        self.bodies = True

    @property
    def whole(self) -> bool:
        """Whether it was one head and nothing else."""
        return (
            self.complete
            and self.messages == 1
            and not self.bodies
            and self._headers <= MAX_HEADERS
        )


def _read(
    parser: "httptools.HttpRequestParser | httptools.HttpResponseParser",
    reading: _Reading,
    head: bytes,
) -> None:
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade as upgrade:
        # What follows an offered upgrade goes on in HTTP/1.1 unless the model answers with 101.
        if upgrade.args[0] != len(head):
            raise UnreadableError from upgrade
    except httptools.HttpParserError as error:
        raise UnreadableError from error
    if not reading.whole:
        raise UnreadableError


def _request_head(head: bytes) -> RequestHead:
    reading = _Reading()
    parser = httptools.HttpRequestParser(reading)
    _read(parser, reading, head)
    return RequestHead(
        method=parser.get_method(),
        path=path_of(reading.url),
        headers=headers_of(reading.kept),
        length=_length(reading.kept, 0),
    )


def _response_head(head: bytes) -> ResponseHead:
    reading = _Reading()
    parser = httptools.HttpResponseParser(reading)
    _read(parser, reading, head)
    status = parser.get_status_code()
    bodiless = status < _FINAL_STATUS or status in _NO_BODY
    return ResponseHead(
        status=status,
        headers=headers_of(reading.kept),
        length=0 if bodiless else _length(reading.kept, UNTIL_END),
    )


def _length(kept: dict[bytes, bytes], otherwise: int) -> int:
    """Return a body's length by its headers (RFC 9112 §6.3)."""
    coding = kept.get(b"transfer-encoding")
    if coding is not None:
        last = coding.rpartition(b",")[2].strip().lower()
        return CHUNKED if last == b"chunked" else otherwise
    length = kept.get(b"content-length")
    if length is None:
        return otherwise
    length = length.strip()
    if not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise UnreadableError
    return int(length)


_remembered_request = functools.lru_cache(maxsize=MAX_REMEMBERED)(_request_head)
_remembered_response = functools.lru_cache(maxsize=MAX_REMEMBERED)(_response_head)
