"""The counts of one open pane."""

import logging
from collections import Counter
from typing import Any, Final

from modelmonitor.collector.observer.decoding import Decoded
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.collector.protocols.base import Generation
from modelmonitor.core.baseline.profile import MAX_NAME
from modelmonitor.core.counting.latency import LatencyCounter
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import (
    LATENCY_FIRST_BYTE,
    LATENCY_FIRST_TOKEN,
    LATENCY_RESPONSE,
    ColumnCounts,
    GenerationCounts,
    LatencyCounts,
    RequestCounts,
    Undecodable,
)

logger = logging.getLogger(__name__)

MICROSECONDS: Final = 1e-6
FINISH_REASONS: Final = frozenset(
    {
        "stop",
        "length",
        "content_filter",
        "tool_calls",
        "function_call",
        "eos_token",
        "stop_sequence",
        "abort",
        "error",
    }
)
"""What servers of text generation write; anything else is counted as `other`."""
OTHER_REASON: Final = "other"
MOST_CODES: Final = 256
"""Different status codes in one pane; servers may send any number."""
LONGEST_CODE: Final = 8
OTHER_CODE: Final = "other"
MOST_TOKENS: Final = 2**31
"""An answer that tells of more does not tell the truth."""
_ENCODING: Final = b"content-encoding"
_UNPACKED: Final = 20
"""How much larger a body is taken to be than its compressed form."""


class Tally:
    """Counts exchanges and rows under one configuration."""

    def __init__(self, configuration: CollectorConfiguration | None) -> None:
        self._rows = RowBuffer(configuration)
        self._generation = _GenerationTally()
        self._codes: Counter[str] = Counter()
        self._undecodable: Counter[str] = Counter()
        self._protocols: Counter[tuple[str, str]] = Counter()
        self._sampled = self._decoded = 0
        self._response = LatencyCounter()
        self._first_byte = LatencyCounter()
        self._first_token = LatencyCounter()
        self.model = ""
        """The model that was asked last, where requests name one."""
        self.version = ""
        """The version that answered last, where responses name one."""
        self.forwarded = self.copied = self.dropped = 0
        """Bytes, as the splice reported them."""
        self.unreadable = 0
        """Copied bytes of connections that do not speak HTTP: as good as dropped."""

    def add_exchange(self, exchange: Exchange) -> None:
        """Count a request that is over."""
        code = exchange.code
        if code not in self._codes and (len(self._codes) >= MOST_CODES or len(code) > LONGEST_CODE):
            code = OTHER_CODE
        self._codes[code] += 1
        target = exchange.target
        if target is not None and target.model and exchange.succeeded:
            self.model = target.model[:MAX_NAME]
            self.version = target.version[:MAX_NAME] or self.version
        if exchange.status:
            # 0: nobody said when.
            asked = exchange.request_end
            if exchange.response_end:
                self._response.add((exchange.response_end - asked) * MICROSECONDS)
            if exchange.first_byte:
                self._first_byte.add((exchange.first_byte - asked) * MICROSECONDS)

    def add_rows(self, decoded: Decoded, exchange: Exchange, port: str) -> None:
        """Count what a sampled request said.

        Parameters
        ----------
        decoded
            Its rows.
        exchange
            The request.
        port
            Name of the port that it came to.
        """
        found = decoded.rows
        try:
            self._rows.add(found, _weight(exchange))
        except ValueError:
            logger.exception("the decoder of %s is at fault", decoded.protocol)
            self.add_undecodable(Undecodable.INTERNAL)
            return
        self._sampled += 1
        self._decoded += 1
        self._protocols[port, decoded.protocol] += 1
        self.model = found.model[:MAX_NAME] or self.model
        self.version = found.version[:MAX_NAME] or self.version
        generation = found.generation
        if generation is not None:
            self._generation.add(generation)
            if generation.first_token is not None:
                waited = generation.first_token - exchange.request_end
                self._first_token.add(waited * MICROSECONDS)

    def add_undecodable(self, reason: Undecodable) -> None:
        """Count a sampled request that did not become rows."""
        self._sampled += 1
        self._undecodable[reason.value] += 1

    def flush(self) -> None:
        """Count the rows that wait."""
        self._rows.flush()

    @property
    def empty(self) -> bool:
        """Whether nothing was seen at all."""
        return not (self._codes or self.forwarded)

    def requests(self) -> RequestCounts:
        """Return what happened on the wire."""
        return RequestCounts(
            seen=self._codes.total(),
            decoded=self._decoded,
            sampled=self._sampled,
            undecodable=dict(self._undecodable),
            codes=dict(self._codes),
            protocols={
                f"{port}/{protocol}": requests
                for (port, protocol), requests in self._protocols.items()
            },
        )

    def latency(self) -> dict[str, LatencyCounts]:
        """Return the latencies, by what they measure."""
        counts = {
            LATENCY_RESPONSE: self._response.counts(),
            LATENCY_FIRST_BYTE: self._first_byte.counts(),
            LATENCY_FIRST_TOKEN: self._first_token.counts(),
        }
        return {name: counted for name, counted in counts.items() if counted.count}

    def generation(self) -> GenerationCounts | None:
        """Return what text generation used; None if there was none."""
        return self._generation.counts()

    def columns(self) -> dict[str, ColumnCounts]:
        """Return the counts of every column that is counted."""
        return self._rows.counts()

    def parts(self) -> dict[str, Any]:
        """Return what is known of whole rows: values of fields of `Pane`, by name."""
        return self._rows.parts()


class _GenerationTally:
    """What answers of text generators say of themselves."""

    def __init__(self) -> None:
        self._requests = self._streamed = self._uncounted = 0
        self._prompt = self._completion = 0
        self._reasons: Counter[str] = Counter()

    def add(self, generation: Generation) -> None:
        self._requests += 1
        self._streamed += generation.streamed
        prompt, completion = generation.prompt_tokens, generation.completion_tokens
        if _is_told(prompt) and _is_told(completion):
            self._prompt += prompt or 0
            self._completion += completion or 0
        else:
            self._uncounted += 1
        for reason in generation.finish_reasons:
            self._reasons[reason if reason in FINISH_REASONS else OTHER_REASON] += 1

    def counts(self) -> GenerationCounts | None:
        if not self._requests:
            return None
        return GenerationCounts(
            requests=self._requests,
            streamed=self._streamed,
            uncounted=self._uncounted,
            promptTokens=self._prompt,
            completionTokens=self._completion,
            finishReasons=dict(self._reasons),
        )


def _is_told(tokens: int | None) -> bool:
    return tokens is not None and 0 <= tokens <= MOST_TOKENS


def _weight(exchange: Exchange) -> int:
    """Return about how many bytes the values of a request and its response take."""
    size = exchange.request.size + exchange.response.size
    if _ENCODING in exchange.headers or _ENCODING in exchange.response_headers:
        size *= _UNPACKED
    return size
