"""Clients that keep asking while something is done to the collector."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.collector.harness import LOOPBACK, eventually


def post(
    port: int, body: bytes, path: str = "/predict", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20.0)
    try:
        connection.request(
            "POST", path, body, {"Content-Type": "application/json", **(headers or {})}
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@dataclass
class Load:
    """What happened to the requests of all clients."""

    succeeded: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def more(self, requests: int) -> None:
        """Wait until so many more requests have succeeded."""
        target = self.succeeded + requests
        eventually(lambda: self.succeeded >= target, f"{requests} more requests succeed")

    def run_client(self, port: int, body: bytes, *, keep_alive: bool) -> None:
        """Send requests one after the other until told to stop."""
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            begun = time.monotonic()
            if connection is None:
                connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20.0)
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = response.read()
                error = "" if response.status == 200 and answer == body else repr(answer[:60])
            except (OSError, http.client.HTTPException) as failure:
                error = repr(failure)
            with self._lock:
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if error:
                    self.failed.append(error)
                else:
                    self.succeeded += 1
            if error or not keep_alive:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        """Let clients finish the request they are at."""
        self._stop.set()


@contextmanager
def load(port: int, body: bytes, *, keep_alive: int = 2, single: int = 2) -> Iterator[Load]:
    """Run clients against a model that answers with the request's body."""
    running = Load()
    threads = [
        threading.Thread(
            target=running.run_client, args=(port, body), kwargs={"keep_alive": index < keep_alive}
        )
        for index in range(keep_alive + single)
    ]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop()
        for thread in threads:
            thread.join()
