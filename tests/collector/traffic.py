"""Every kind of traffic at once, and what happened to each request."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, Self

from tests.collector.harness import LOOPBACK, Collector, eventually
from tests.collector.http2 import PREFACE, Caller, http2_echo
from tests.collector.raw_model import http_echo, read_until

SHORT: Final = b'{"instances": [[1.0, 2.0]]}'
MEDIUM: Final = b'{"instances": [%s]}' % b", ".join([b"[1.0, 2.0]"] * 1_750)
LARGE: Final = b'{"instances": [%s]}' % b", ".join([b"[1.0, 2.0]"] * 68_000)
EVENTS: Final = 10
EVENT_SECONDS: Final = 0.01
TIMEOUT: Final = 20.0
_EVENT: Final = b"data: %d\n\n"


def any_echo(connection: socket.socket) -> None:
    """Speak HTTP/1.1 or HTTP/2, as the client begins; answer with events where they are asked."""
    buffer = connection.recv(1 << 16)
    if buffer.startswith(PREFACE[:4]):
        http2_echo(connection, buffer)
    elif buffer.startswith(b"GET /events"):
        stream_events(connection, buffer)
    else:
        http_echo(connection, buffer)


def stream_events(connection: socket.socket, buffer: bytes) -> None:
    """Answer each request with a stream of events."""
    while True:
        buffer = read_until(connection, b"\r\n\r\n", buffer)
        _, found, buffer = buffer.partition(b"\r\n\r\n")
        if not found:
            return
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(EVENTS):
            event = _EVENT % number
            connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(EVENT_SECONDS)
        connection.sendall(b"0\r\n\r\n")


class Client(Protocol):
    """Somebody who asks the model."""

    def ask(self) -> str:
        """Make one request; return what went wrong, empty if nothing did."""

    def close(self) -> None:
        """Leave."""


class JSONClient:
    """Posts one body again and again on a connection that it keeps."""

    def __init__(self, port: int, body: bytes) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
        self._body = body

    def ask(self) -> str:
        self._connection.request(
            "POST", "/predict", self._body, {"Content-Type": "application/json"}
        )
        response = self._connection.getresponse()
        answer = response.read()
        return "" if answer == self._body else f"{response.status} {answer[:60]!r}"

    def close(self) -> None:
        self._connection.close()


class EventClient:
    """Reads streams of events."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)

    def ask(self) -> str:
        self._connection.request("GET", "/events")
        answer = self._connection.getresponse().read()
        expected = b"".join(_EVENT % number for number in range(EVENTS))
        return "" if answer == expected else repr(answer[:60])

    def close(self) -> None:
        self._connection.close()


class CallClient:
    """Makes gRPC calls on one connection."""

    def __init__(self, port: int, body: bytes) -> None:
        self._caller = Caller(socket.create_connection((LOOPBACK, port), timeout=TIMEOUT))
        self._body = body

    def ask(self) -> str:
        answer = self._caller.call(self._body)
        return "" if answer == self._body else repr(answer[:60])

    def close(self) -> None:
        self._caller.close()


KINDS: Final[dict[str, Callable[[int], Client]]] = {
    "short": lambda port: JSONClient(port, SHORT),
    "21kB": lambda port: JSONClient(port, MEDIUM),
    "0.8MB": lambda port: JSONClient(port, LARGE),
    "SSE": EventClient,
    "gRPC": lambda port: CallClient(port, SHORT * 20),
}
"""What clients do, by its name."""
PAUSES: Final = {"short": 0.004, "21kB": 0.02, "0.8MB": 0.1, "SSE": 0.01, "gRPC": 0.004}
"""Seconds between requests of a client: all of them are less than an observer keeps up with."""


@dataclass
class Traffic:
    """What happened to the requests of all clients."""

    succeeded: dict[str, int]
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    """Seconds."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def more(self, requests: int) -> None:
        """Wait until so many more requests of every kind have succeeded."""
        before = dict(self.succeeded)
        eventually(
            lambda: all(self.succeeded[kind] >= before[kind] + requests for kind in before),
            f"{requests} more requests of every kind succeed",
        )

    def go_on(self, seconds: float) -> None:
        """Let clients ask for a while."""
        end = time.monotonic() + seconds
        eventually(lambda: time.monotonic() >= end, "time passes", deadline=seconds + 1.0)

    def run_client(self, kind: str, connect: Callable[[], Client]) -> None:
        """Make one request after the other until told to stop."""
        client: Client | None = None
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                client = client or connect()
                error = client.ask()
            except (OSError, http.client.HTTPException) as failure:
                error = repr(failure)
            with self._lock:
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if error:
                    self.failed.append(f"{kind}: {error}")
                else:
                    self.succeeded[kind] += 1
            if error and client is not None:
                client.close()
                client = None
            self._stop.wait(PAUSES[kind])
        if client is not None:
            client.close()

    def stop(self) -> None:
        """Let clients finish the request they are at."""
        self._stop.set()


@contextmanager
def traffic(port: int, *kinds: str, clients: int = 2) -> Iterator[Traffic]:
    """Run clients of some kinds, all if none are named, against a model that answers `any_echo`."""
    running = Traffic(dict.fromkeys(kinds or KINDS, 0))
    threads = [
        threading.Thread(target=running.run_client, args=(kind, _connect(kind, port)))
        for kind in running.succeeded
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop()
        for thread in threads:
            thread.join()


def _connect(kind: str, port: int) -> Callable[[], Client]:
    return lambda: KINDS[kind](port)


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


class MemoryWatch:
    """Watches how the memory of the splice grows."""

    def __init__(self, collector: Collector) -> None:
        self._pid = collector.children()["mm-splice"]
        self._before = resident(self._pid)
        self._most = self._before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Bytes, at the worst moment."""
        return self._most - self._before

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._most = max(self._most, resident(self._pid))
