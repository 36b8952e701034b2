"""Whether a pane is one that counting can give: a user's pod may send anything."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from modelmonitor.core.novel import MAX_NOVEL_NAME
from modelmonitor.core.profile import MAX_CATEGORIES, MAX_COLUMNS, MAX_CUTS, MAX_NAME
from modelmonitor.core.wire.pane import (
    MAX_NOVEL,
    ColumnCounts,
    GenerationCounts,
    LatencyCounts,
    Pane,
)

LARGEST_COUNT: Final = 2**48
"""More than any replica counts in an interval; tens of thousands of panes add up without loss."""
LARGEST_BUCKET: Final = 2000
"""Latency buckets beyond this are longer than any connection lasts: 10**17 seconds."""
MAX_KEYS: Final = 4096
"""Status codes, reasons or buckets in one pane."""
MAX_KEY: Final = 64
"""Characters of a status code or reason."""
MAX_SKETCH: Final = 64 * 1024
"""Bytes; real ones have a tenth of this."""


def is_sound(pane: Pane) -> bool:
    """Return whether every number of a pane is one that counting can give, and there are few.

    A collector runs in a user's pod, so that a pane may hold anything: numbers below 0, or so large
    that adding them up fails, are no counts.
    """
    requests = pane.requests
    return (
        _are_counts((pane.forwardedBytes, pane.copiedBytes, pane.droppedBytes))
        and _are_counts((requests.seen, requests.decoded, requests.sampled))
        and _are_spans((pane.start, pane.end - pane.start, pane.observerGapSeconds))
        and all(
            _is_sound_count(each)
            for each in (requests.codes, requests.undecodable, requests.protocols)
        )
        and (pane.generation is None or _is_sound_generation(pane.generation))
        and len(pane.latency) <= MAX_KEYS
        and all(_is_sound_latency(each) for each in pane.latency.values())
        and len(pane.columns) <= MAX_COLUMNS
        and all(len(name) <= MAX_NAME for name in pane.columns)
        and all(_is_sound_column(each) for each in pane.columns.values())
    )


def _is_sound_count(counts: Mapping[str, int]) -> bool:
    return (
        len(counts) <= MAX_KEYS
        and all(len(key) <= MAX_KEY for key in counts)
        and _are_counts(counts.values())
    )


def _is_sound_generation(counts: GenerationCounts) -> bool:
    numbers = (counts.requests, counts.streamed, counts.uncounted)
    return _are_counts((*numbers, counts.promptTokens, counts.completionTokens)) and (
        _is_sound_count(counts.finishReasons)
    )


def _is_sound_latency(counts: LatencyCounts) -> bool:
    return (
        len(counts.buckets) <= MAX_KEYS
        and all(abs(index) <= LARGEST_BUCKET for index in counts.buckets)
        and _are_counts((counts.count, *counts.buckets.values()))
        and _are_spans((counts.total,))
    )


def _is_sound_column(counts: ColumnCounts) -> bool:
    numbers = (counts.rows, counts.missing, counts.mismatched, counts.infinite)
    return (
        len(counts.cells) <= max(MAX_CUTS, MAX_CATEGORIES) + 1
        and _are_counts(counts.cells)
        and _are_counts((*numbers, counts.below, counts.above, counts.unknown))
        and math.isfinite(counts.total)
        and math.isfinite(counts.squares)
        and len(counts.sketch) <= MAX_SKETCH
        and len(counts.distinct) <= MAX_SKETCH
        and _are_sound_names(counts.novel)
    )


def _are_sound_names(novel: Mapping[str, int]) -> bool:
    # They come to stand in messages.
    return (
        len(novel) <= MAX_NOVEL
        and all(len(name) <= MAX_NOVEL_NAME and name.isprintable() for name in novel)
        and _are_counts(novel.values())
    )


def _are_counts(values: Iterable[int]) -> bool:
    return all(0 <= value <= LARGEST_COUNT for value in values)


def _are_spans(seconds: Iterable[float]) -> bool:
    return all(math.isfinite(span) and span >= 0 for span in seconds)
