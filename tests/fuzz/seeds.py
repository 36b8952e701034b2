"""The corpus: one exchange in two files, what the client sent and what the server answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from modelmonitor.collector.observer.bodies import BodyKeeper
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.framing import Connection

CORPUS: Final = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Seed:
    """Bytes of both directions of a connection, and the exchanges on it."""

    name: str
    request: bytes
    response: bytes
    exchanges: Sequence[Exchange]


@dataclass
class _Collector:
    """Keeps all exchanges with all bodies."""

    bodies: BodyKeeper = field(default_factory=BodyKeeper)
    exchanges: list[Exchange] = field(default_factory=list)

    def begins(self, exchange: Exchange) -> bool:
        exchange.request.wanted = exchange.response.wanted = True
        return True

    def finished(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    def abandoned(self, exchange: Exchange) -> None:
        pass

    def unread(self, length: int) -> None:
        raise AssertionError(f"{length} bytes of the corpus cannot be read")


def load() -> list[Seed]:
    """Return the corpus, by name."""
    return [_load(path.stem) for path in sorted(CORPUS.glob("*.request"))]


def _load(name: str) -> Seed:
    request = (CORPUS / f"{name}.request").read_bytes()
    response = (CORPUS / f"{name}.response").read_bytes()
    collector = _Collector()
    connection = Connection(1, 0, collector)
    connection.request_bytes(request, 1_000)
    connection.response_bytes(response, 2_000)
    return Seed(name, request, response, collector.exchanges)
