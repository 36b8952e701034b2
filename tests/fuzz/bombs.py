"""Bodies made to cost more than they weigh, each within the cap of a message."""

import gzip
import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from modelmonitor.collector.observer.bodies import MAX_MESSAGE
from modelmonitor.collector.protocols.base import Call
from tests.collector.layouts import (
    CHAT,
    GRPC_PATH,
    GRPC_STREAM_PATH,
    GRPC_TYPE,
    INVOCATIONS,
    JSON_TYPE,
    V2_PATH,
    call_of,
)

CSV: Final = {b"content-type": b"text/csv"}
EVENTS: Final = {b"content-type": b"text/event-stream"}


class Bomb(NamedTuple):
    """A call, by what is wrong with it."""

    name: str
    call: Call


def bombs() -> Iterator[Bomb]:
    """Yield bodies that a parser could choke on."""
    yield from _documents()
    yield from _tables()
    yield from _messages()
    yield from _events()


def _filled(unit: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    return head + unit * ((MAX_MESSAGE - len(head) - len(tail)) // len(unit)) + tail


def _documents() -> Iterator[Bomb]:
    bodies: Mapping[str, bytes] = {
        "open lists": _filled(b"["),
        "deep lists": b"[" * 1000 + b"]" * 1000,
        "open objects": _filled(b'{"a":'),
        "empty lists": _filled(b"[],", b"[", b"[]]"),
        "empty objects": _filled(b"{},", b"[", b"{}]"),
        "fewer empty lists": b"[" + b"[]," * 260_000 + b"[]]",
        "fewer texts": b"[" + b'"a",' * 520_000 + b'"a"]',
        "numbers": _filled(b"0,", b"[", b"0]"),
        "nested numbers": _filled(b"[[[[0]]]],", b"[", b"0]"),
        "long number": _filled(b"9", b"[", b"]"),
        "long number, not JSON": _filled(b"9", b"[NaN,", b"]"),
        "long text": _filled(b"x", b'["', b'"]'),
        "escapes": _filled(b"\\u00e9", b'["', b'"]'),
        "names": b"{" + b",".join(b'"%d":0' % name for name in range(200_000)) + b"}",
        "one name": _filled(b'"a":0,', b"{", b'"a":0}'),
        "blanks": _filled(b" ", b"[", b"]"),
        "not JSON": _filled(b"NaN,", b"[", b"NaN]"),
    }
    for name, body in bodies.items():
        yield Bomb(name, call_of(b"/predict", body))
    unit = b'{"name":"a","shape":[1,1],"data":[1]},'
    yield Bomb("tensors", call_of(V2_PATH, _filled(unit, b'{"inputs":[', unit[:-1] + b"]}")))
    shape = b",".join([b"9223372036854775807"] * 15)
    body = b'{"inputs":[{"name":"a","shape":[%s],"data":[1]}]}' % shape
    yield Bomb("huge shape", call_of(V2_PATH, body))
    zeros = gzip.compress(bytes(256 * MAX_MESSAGE), 9)
    coded = {**JSON_TYPE, b"content-encoding": b"gzip"}
    yield Bomb("zeros, compressed", call_of(b"/predict", zeros, headers=coded))
    zipped = gzip.compress(bodies["fewer empty lists"], 1)
    yield Bomb("fewer empty lists, compressed", call_of(b"/predict", zipped, headers=coded))


def _tables() -> Iterator[Bomb]:
    bodies: Mapping[str, bytes] = {
        "lines": _filled(b"\n", b"a,b,c"),
        "commas": _filled(b","),
        "one column": _filled(b"1\n", b"temp\n"),
        "quotes": _filled(b'"'),
        "wide": b"a," * 100_000 + b"b\n" + b"1," * 100_000 + b"2\n",
        "rows": _filled(b"1.5,2.5,B6\n", b"temp,wind,carrier\n"),
    }
    for name, body in bodies.items():
        yield Bomb(f"CSV: {name}", call_of(INVOCATIONS, body, headers=CSV))


def _framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message that holds bytes or another message."""
    length, digits = len(content), bytearray()
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *digits, length]) + content


def _messages() -> Iterator[Bomb]:
    bodies: Mapping[str, bytes] = {
        "tensors": _framed(_filled(b"\x2a\x00")),
        "raw contents": _framed(_filled(b"\x3a\x00")),
        "unknown": _framed(_filled(b"\xf8\x01\x01")),
        "groups": _framed(_filled(b"\x0b")),
        "endless number": _framed(_filled(b"\xff")),
        "shape": _framed(_field(5, _field(3, b"\x01" * (2 << 20)))),
        "texts": _framed(_field(5, _field(5, b"\x42\x00" * (1 << 20)))),
        "truths": _framed(_field(5, _field(5, _field(1, b"\x01" * (2 << 20))))),
        "messages": _filled(bytes(5)),
    }
    for name, body in bodies.items():
        for path in (GRPC_PATH, GRPC_STREAM_PATH):
            yield Bomb(
                f"gRPC: {name} {path[-12:].decode()}", call_of(path, body, headers=GRPC_TYPE)
            )
    zeros = gzip.compress(bytes(64 * MAX_MESSAGE), 9)
    body = struct.pack(">BI", 1, len(zeros)) + zeros
    yield Bomb("gRPC: zeros", call_of(GRPC_PATH, body, headers=GRPC_TYPE))


def _events() -> Iterator[Bomb]:
    request = b'{"messages":[{"role":"user","content":"x"}]}'
    bodies: Mapping[str, bytes] = {
        "lines": _filled(b"\n"),
        "comments": _filled(b":\n"),
        "data": _filled(b"data:{}\n\n"),
        "one event": _filled(b"data: x\n"),
        "one line": _filled(b"x", b"data: "),
        "choices": b"data: {" + _filled(b"{},", b'"choices":[', b"{}]}")[:-100] + b"\n\n",
    }
    for name, body in bodies.items():
        call = call_of(CHAT, request, body, response_headers=EVENTS)
        yield Bomb(f"events: {name}", call)
