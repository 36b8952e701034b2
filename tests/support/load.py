"""Open-loop HTTP load from a thread of its own: requests leave on time whatever the server does."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp


@dataclass
class LoadReport:
    """What became of the requests; read it after the load has ended."""

    sent: int = 0
    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds from the moment a request was due to its last byte."""
    lateness: float = 0.0
    """Largest delay in seconds with which a request left; large means the client was starved."""

    @property
    def failed(self) -> int:
        """Number of requests without an answer of status 200."""
        return self.failures.total()

    def quantile(self, share: float) -> float:
        """Return a latency quantile in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        middle = f", p50 {self.quantile(0.5) * 1e3:.1f} ms" if self.latencies else ""
        causes = f" {dict(self.failures)}" if self.failures else ""
        return f"{self.failed} of {self.sent} failed{causes}{middle}"


@dataclass(frozen=True)
class Traffic:
    """What is sent, and how often."""

    url: str
    rate: float
    """Requests per second."""
    keep_alive: bool = False
    """A pool of connections, or one connection per request."""
    body: bytes = b'{"instances": [[1.0, 2.0]]}'
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    timeout: float = 10.0
    """Seconds after which a request has failed."""


@contextmanager
def running_load(*streams: Traffic) -> Iterator[list[LoadReport]]:
    """Send the streams while the block runs; the reports are complete after it."""
    reports = [LoadReport() for _ in streams]
    ending = threading.Event()

    async def send_all() -> None:
        await asyncio.gather(
            *(
                _send(stream, report, ending)
                for stream, report in zip(streams, reports, strict=True)
            )
        )

    thread = threading.Thread(target=lambda: asyncio.run(send_all()), name="load")
    thread.start()
    try:
        yield reports
    finally:
        ending.set()
        thread.join()


async def _send(stream: Traffic, report: LoadReport, ending: threading.Event) -> None:
    connector = aiohttp.TCPConnector(limit=0, force_close=not stream.keep_alive)
    timeout = aiohttp.ClientTimeout(total=stream.timeout)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as requests,
    ):
        started = time.monotonic()
        while not ending.is_set():
            due = started + report.sent / stream.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            report.lateness = max(report.lateness, time.monotonic() - due)
            report.sent += 1
            requests.create_task(_request(session, stream, report, due))


async def _request(
    session: aiohttp.ClientSession, stream: Traffic, report: LoadReport, due: float
) -> None:
    try:
        async with session.post(
            stream.url, data=stream.body, headers=dict(stream.headers)
        ) as response:
            await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        report.failures[type(error).__name__] += 1
        return
    if response.status != 200:
        report.failures[str(response.status)] += 1
        return
    report.answered += 1
    report.latencies.append(time.monotonic() - due)
