"""A model that is nothing but a TCP server: a function handles each connection, in a thread."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.collector.harness import LOOPBACK

Handler = Callable[[socket.socket], None]


class RawModel:
    """Listens on loopback and hands each connection to the current handler."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self.handler = handler
        self._listener = socket.create_server((LOOPBACK, port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        """Refuse connections, and wait for those in progress."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._handle, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.handler(connection)
            except ConnectionError:
                return


@contextmanager
def raw_model(handler: Handler, port: int = 0) -> Iterator[RawModel]:
    """Run a raw model."""
    model = RawModel(handler, port)
    try:
        yield model
    finally:
        model.close()


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side ends."""
    parts = []
    while data := connection.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def read_until(connection: socket.socket, end: bytes, buffer: bytes = b"") -> bytes:
    """Return what comes up to and including these bytes, or all if the other side ends before."""
    while end not in buffer:
        data = connection.recv(1 << 16)
        if not data:
            break
        buffer += data
    return buffer


def read_bytes(connection: socket.socket, count: int, buffer: bytes = b"") -> bytes:
    """Return at least so many bytes; raise if the other side ends before."""
    while len(buffer) < count:
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError("the other side ended in the middle of a body")
        buffer += data
    return buffer


def http_echo(connection: socket.socket, buffer: bytes = b"") -> None:
    """Answer requests with Content-Length or without body, each with its own body, keep-alive."""
    while True:
        buffer = read_until(connection, b"\r\n\r\n", buffer)
        head, found, buffer = buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        buffer = read_bytes(connection, length, buffer)
        body, buffer = buffer[:length], buffer[length:]
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)
            + body
        )
