"""Tries the load generator on a server whose slowness is known: a ruler is measured first."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from bench.dataplane.load import CONNECTIONS, Load, OpenLoopResult
from bench.dataplane.process import LOOPBACK
from bench.report import UnsoundRunError

SERVICE_SECONDS: Final = 0.01
"""For each request."""
STALL_SECONDS: Final = 0.4
STALL_AT: Final = 100
"""The request with which the server stalls, once."""
RATE: Final = 200
SECONDS: Final = 2.0
"""A fifth of all requests are due during the stall."""


def check(load: Load) -> None:
    """Check that the generator tells how slow a server is.

    Raises
    ------
    UnsoundRunError
        If it hides what the server does.
    """
    with _stalling_server() as port:
        judge(load.at_rate(port, RATE, SECONDS, 0.0))


def judge(result: OpenLoopResult) -> None:
    """Check what was measured of the server here.

    Only lower bounds: a busy machine makes things slower, and no machine makes them faster.

    Raises
    ------
    UnsoundRunError
        If it cannot be true.
    """
    # Of the fifth that were due during the stall, half were due in its first half.
    if result.from_due.p90 < 1e6 * STALL_SECONDS / 4:
        raise UnsoundRunError("the load generator hides that a server stalls")
    if result.from_due.p50 < 1e6 * SERVICE_SECONDS or result.from_sent.p50 < 1e6 * SERVICE_SECONDS:
        raise UnsoundRunError("the load generator measures less than the server takes")
    if result.answered != result.requests or result.requests != RATE * SECONDS:
        raise UnsoundRunError("the load generator does not send what it was told to")


@contextmanager
def _stalling_server() -> Iterator[int]:
    counted = threading.Lock()
    requests = 0
    stalled_until = 0.0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal requests, stalled_until
            self.rfile.read(int(self.headers["Content-Length"]))
            with counted:
                requests += 1
                if requests == STALL_AT:
                    stalled_until = time.monotonic() + STALL_SECONDS
            time.sleep(max(SERVICE_SECONDS, stalled_until - time.monotonic()))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = CONNECTIONS

    with Server((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
