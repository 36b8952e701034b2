"""The observer's end of the hand-over stream."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol, cast

from modelmonitor.collector.handover import BrokenStreamError, Record, Splitter
from modelmonitor.collector.splice.copier import COPY_OFF, COPY_ON

logger = logging.getLogger(__name__)


class Reader(Protocol):
    """Who is told what the stream says."""

    def records(self, records: Sequence[Record]) -> None:
        """Take records."""

    def heard(self) -> None:
        """Note that the splice lives."""

    def stream_broken(self) -> None:
        """Note that the stream cannot be read on, or not be counted: it needs a new start."""

    def stream_lost(self, stream: "HandoverStream") -> None:
        """Note that the stream has ended."""


class HandoverStream(asyncio.Protocol):
    """Splits the stream into records, and tells the splice whether copies are wanted."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self._asked = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass on the records that are complete.

        Whatever goes wrong is said to the reader: a loop that only logs it would leave an observer
        behind that lives and sees nothing.
        """
        self._reader.heard()
        try:
            self._reader.records(self._splitter.feed(data))
        except BrokenStreamError as error:
            logger.warning("the hand-over is broken: %s", error)
            self._reader.stream_broken()
        except Exception:
            logger.exception("the hand-over cannot be counted")
            self._reader.stream_broken()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader."""
        if exc is not None:
            logger.warning("the hand-over ended: %s", exc)
        self._reader.stream_lost(self)

    def ask(self, *, copies: bool) -> None:
        """Tell the splice whether to copy; it does until it is told not to."""
        if self._transport is not None and copies != self._asked:
            self._asked = copies
            self._transport.write(COPY_ON if copies else COPY_OFF)

    def close(self) -> None:
        """End the stream."""
        if self._transport is not None:
            self._transport.close()
