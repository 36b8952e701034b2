"""Both ends of HTTP/2 connections as bytes, written by hand: what tests let the observer watch."""

import struct
from dataclasses import dataclass, field

from hpack import Encoder

from modelmonitor.collector import http2
from modelmonitor.collector.handover import HTTP2_PREFACE

INFER = "/inference.GRPCInferenceService/ModelInfer"
GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


@dataclass
class End:
    """One end of a connection, with its compression table."""

    encoder: Encoder = field(default_factory=Encoder)

    def headers(
        self,
        stream: int,
        fields: list[tuple[str, str]],
        *,
        ended: bool = False,
        padding: int = 0,
        priority: bool = False,
        pieces: int = 1,
    ) -> bytes:
        """Return HEADERS, and CONTINUATION where the block is to come in pieces."""
        block = self.encoder.encode(fields)
        size = -(-len(block) // pieces)
        cut = [block[at : at + size] for at in range(0, len(block), size)]
        flags = (http2.END_STREAM if ended else 0) | (http2.END_HEADERS if pieces == 1 else 0)
        payload = cut[0]
        if priority:
            flags |= http2.WITH_PRIORITY
            payload = bytes(5) + payload
        if padding:
            flags |= http2.PADDED
            payload = bytes([padding]) + payload + bytes(padding)
        whole = frame(http2.HEADERS, flags, stream, payload)
        for index, piece in enumerate(cut[1:], start=2):
            last = http2.END_HEADERS if index == len(cut) else 0
            whole += frame(http2.CONTINUATION, last, stream, piece)
        return whole

    def request(self, stream: int, path: str = INFER, *, ended: bool = False) -> bytes:
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "m")]
        return self.headers(stream, [*fields, *GRPC], ended=ended)

    def response(self, stream: int, *, ended: bool = False) -> bytes:
        return self.headers(stream, [(":status", "200"), GRPC[0]], ended=ended)

    def trailers(self, stream: int, code: int = 0) -> bytes:
        return self.headers(stream, [("grpc-status", str(code))], ended=True)


def data(stream: int, payload: bytes, *, ended: bool = False, padding: int | None = None) -> bytes:
    flags = http2.END_STREAM if ended else 0
    if padding is not None:
        flags |= http2.PADDED
        payload = bytes([padding]) + payload + bytes(padding)
    return frame(http2.DATA, flags, stream, payload)


def greeting(*pairs: tuple[int, int]) -> bytes:
    payload = b"".join(struct.pack(">HI", *pair) for pair in pairs)
    return frame(http2.SETTINGS, 0, 0, payload)


def opening() -> bytes:
    return HTTP2_PREFACE + greeting((1, 4096), (3, 100))
