"""Frames of HTTP/2, made and read by hand."""

import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import hpack

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


# ------------------------------------------------------------------------- both ends of gRPC calls
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST: Final = 16_384


class Speaker:
    """One end of a connection; flow control is left to TCP."""

    def __init__(self, connection: socket.socket, buffer: bytes = b"") -> None:
        self._connection = connection
        self._buffer = buffer
        self._encoder = hpack.Encoder()

    def say(self, data: bytes) -> None:
        self._connection.sendall(data)

    def message(self, stream: int, headers: list[tuple[str, str]], body: bytes) -> bytes:
        """Return the frames of headers and body."""
        parts = [frame(HEADERS, END_HEADERS, stream, self._encoder.encode(headers))]
        parts += [
            frame(DATA, 0, stream, body[start : start + LARGEST])
            for start in range(0, len(body), LARGEST)
        ]
        return b"".join(parts)

    def trailers(self, stream: int, headers: list[tuple[str, str]]) -> bytes:
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, self._encoder.encode(headers))

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that come; acknowledge settings."""
        while True:
            found = frames_of(self._buffer)
            self._buffer = self._buffer[sum(HEAD.size + len(each.payload) for each in found) :]
            for each in found:
                if each.kind == SETTINGS and not each.flags & ACK:
                    self.say(frame(SETTINGS, ACK))
                else:
                    yield each
            data = self._connection.recv(1 << 18)
            if not data:
                return
            self._buffer += data


def http2_echo(connection: socket.socket, buffer: bytes = b"") -> None:
    """Answer each call with its own body and the status of gRPC."""
    while len(buffer) < len(PREFACE):
        buffer += connection.recv(1 << 16)
    model = Speaker(connection, buffer[len(PREFACE) :])
    model.say(frame(SETTINGS))
    bodies: dict[int, bytes] = {}
    for each in model.frames():
        if each.kind == DATA:
            bodies[each.stream] = bodies.get(each.stream, b"") + each.payload
            if each.flags & END_STREAM:
                head = [(":status", "200"), ("content-type", "application/grpc")]
                answer = model.message(each.stream, head, bodies.pop(each.stream))
                model.say(answer + model.trailers(each.stream, [("grpc-status", "0")]))


class Caller:
    """A client that makes one call after the other on one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._client = Speaker(connection)
        self._frames = self._client.frames()
        self._stream = 1
        self._client.say(PREFACE + frame(SETTINGS))

    def call(self, body: bytes) -> bytes:
        """Return the body of the answer; of a part of it, if the other side ends."""
        stream, self._stream = self._stream, self._stream + 2
        head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/inference.GRPCInferenceService/ModelInfer"),
            ("content-type", "application/grpc"),
            ("x-request-id", f"{id(self)}-{stream}"),
        ]
        end = frame(DATA, END_STREAM, stream)
        self._client.say(self._client.message(stream, head, body) + end)
        answer = b""
        for each in self._frames:
            if each.stream == stream and each.kind == DATA:
                answer += each.payload
            if each.stream == stream and each.flags & END_STREAM:
                break
        return answer

    def close(self) -> None:
        self._connection.close()
