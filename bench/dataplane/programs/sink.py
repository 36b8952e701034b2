"""Where KServe's agent sends its CloudEvents: pairs them and counts what they hold.

The cheapest intake that Python offers (one asyncio protocol on httptools and uvloop, no framework),
with the counting of the collector, so that what is compared is the way and not the statistics.

python -m bench.dataplane.programs.sink PORT FEATURES; `GET /seen` answers with the number of pairs.
"""

import asyncio
import sys
from typing import Final, cast

import httptools
import uvloop

from bench.dataplane.programs.counting import Counting

WAITING_PAIRS: Final = 100_000
"""First halves that wait for their other one."""
_ACCEPTED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Pairing:
    """Events that wait for their other half."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._waiting: dict[bytes, bytes] = {}

    def add(self, identity: bytes, *, is_request: bool, body: bytes) -> None:
        """Take one event; its other half may come before it or after it."""
        other = self._waiting.pop(identity, None)
        if other is not None:
            request, response = (body, other) if is_request else (other, body)
            self._counting.add(request, response)
        elif len(self._waiting) < WAITING_PAIRS:
            self._waiting[identity] = body


class Intake(asyncio.Protocol):
    """One connection of the agent's."""

    def __init__(self, pairing: Pairing, counting: Counting) -> None:
        self._pairing = pairing
        self._counting = counting
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._identity = self._type = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"ce-id":
            self._identity = value
        elif lower == b"ce-type":
            self._type = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._url == b"/seen":
            text = str(self._counting.pairs)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n"
            self._transport.write((head + text).encode())
            return
        body = b"".join(self._body)
        self._body.clear()
        self._pairing.add(self._identity, is_request=b"request" in self._type, body=body)
        self._transport.write(_ACCEPTED)


async def serve(port: int, features: int) -> None:
    counting = Counting(features)
    pairing = Pairing(counting)
    server = await asyncio.get_running_loop().create_server(
        lambda: Intake(pairing, counting), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
