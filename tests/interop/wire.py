"""HTTP/1.1 by hand: exactly these bytes are sent, exactly those came back."""

import io
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from tests.collector.harness import LOOPBACK

PATIENCE = 30.0
"""Seconds for one answer; a server's first answer may load what it needs."""
JSON = "application/json"
VOLATILE = frozenset({"date", "x-bentoml-request-id"})
"""Headers that differ between two equal requests: clocks, and ids that the server mints."""


@dataclass(frozen=True)
class Reply:
    """An answer, parsed from its bytes."""

    raw: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    """In their order, names in lower case, without volatile ones."""
    body: bytes
    """Without transfer coding."""

    def json(self) -> Any:
        """Return the body's document."""
        return json.loads(self.body)


def request(
    path: str,
    body: bytes | str | Mapping[str, Any] | None = None,
    *,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of a request that ends its connection: POST with a body, GET without."""
    if isinstance(body, Mapping):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body or b""
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: localhost"]
    if body is not None:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode() + content


def exchange(port: int, sent: bytes) -> Reply:
    """Send bytes on a connection of their own and read the answer to its end."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        parts = []
        while data := connection.recv(1 << 16):
            parts.append(data)
    return parsed(b"".join(parts))


def parsed(raw: bytes) -> Reply:
    """Return the answer that these bytes are."""
    response = HTTPResponse(_Bytes(raw))
    response.begin()
    return Reply(
        raw=raw,
        status=response.status,
        headers=tuple(
            (name.lower(), value)
            for name, value in response.getheaders()
            if name.lower() not in VOLATILE
        ),
        body=response.read(),
    )


class _Bytes(socket.socket):
    """What HTTPResponse asks of a socket, over bytes that are there already."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.close()
        self._raw = raw

    def makefile(self, *_: Any, **__: Any) -> Any:
        return io.BytesIO(self._raw)
