"""Load generators: at a fixed rate whatever the server does, and as fast as it answers."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.dataplane.machine import CLIENT_CPU, pinned
from bench.dataplane.process import LOOPBACK
from bench.report import UnsoundRunError

PROGRAMS: Final = Path(__file__).parent / "programs"
CONNECTIONS: Final = 32
"""Of the open loop."""
TIMEOUT_SECONDS: Final = 5.0
_JSON: Final = "JSON "


class Quantiles(msgspec.Struct, frozen=True):
    """Latencies in microseconds."""

    p50: float
    p90: float
    p99: float
    max: float


class OpenLoopResult(msgspec.Struct, frozen=True):
    """What happened to requests that were due at fixed times."""

    requests: int
    answered: int
    failed: int
    late: int
    """Requests that left more than a millisecond after they were due."""
    from_due: Quantiles
    """To the last byte of the response, from the moment when the request was due."""
    from_sent: Quantiles
    """From the moment when it left."""


class ClosedLoopResult(msgspec.Struct, frozen=True):
    """What happened to requests that were sent as soon as a connection was free."""

    answered: int
    seconds: float
    failed: int
    p50: float
    """Microseconds."""
    p99: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


@dataclass(frozen=True, kw_only=True)
class Load:
    """Programs that make load, and what they send.

    Attributes
    ----------
    openloop, wrk
        The programs.
    path
        Of the URL.
    body
        File that is sent.
    """

    openloop: Path
    wrk: Path
    path: str
    body: Path

    def at_rate(
        self, port: int, rate: float, seconds: float, warmup: float = 1.0
    ) -> OpenLoopResult:
        """Send at `rate` per second for `seconds`, after a warm-up that is not counted.

        Raises
        ------
        UnsoundRunError
            If a request failed.
        """
        text = _output(
            [
                *pinned(CLIENT_CPU, self.openloop, port, self.path, self.body),
                *(str(word) for word in (rate, seconds, warmup, CONNECTIONS, TIMEOUT_SECONDS)),
            ]
        )
        result = msgspec.json.decode(text, type=OpenLoopResult)
        _require_success(result.failed, result.requests, port)
        return result

    def closed(self, port: int, connections: int, seconds: float) -> ClosedLoopResult:
        """Send on each of so many connections as soon as it has been answered.

        Raises
        ------
        UnsoundRunError
            If a request failed.
        """
        text = _output(
            pinned(
                CLIENT_CPU,
                *(self.wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s"),
                *("-s", PROGRAMS / "wrk.lua", f"http://{LOOPBACK}:{port}{self.path}"),
                *("--", self.body),
            )
        )
        line = next(line for line in text.splitlines() if line.startswith(_JSON))
        result = msgspec.json.decode(line.removeprefix(_JSON), type=ClosedLoopResult)
        _require_success(result.failed, result.answered, port)
        return result


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnsoundRunError(f"{command[3]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _require_success(failed: int, requests: int, port: int) -> None:
    if failed:
        raise UnsoundRunError(f"{failed} of {requests} requests to port {port} failed")
