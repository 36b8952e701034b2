"""Whether a pane is one that counting can give: a user's pod may send anything."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from modelmonitor.core.baseline.performance_profile import MAX_CLASSES, MAX_EDGES
from modelmonitor.core.baseline.profile import MAX_CATEGORIES, MAX_COLUMNS, MAX_CUTS, MAX_NAME
from modelmonitor.core.counting.moments import MAX_VIEWS
from modelmonitor.core.counting.novel import MAX_NOVEL_NAME
from modelmonitor.core.counting.numeric import LARGEST_SUMMED
from modelmonitor.core.wire.pane import (
    MAX_MARKS,
    MAX_NOVEL,
    ClassScores,
    ColumnCounts,
    GenerationCounts,
    LatencyCounts,
    MarkCounts,
    MomentCounts,
    Pane,
    ScoreCounts,
)

LARGEST_COUNT: Final = 2**48
"""More than any replica counts in an interval; tens of thousands of panes add up without loss."""
LARGEST_SUM: Final = LARGEST_SUMMED * LARGEST_COUNT
LARGEST_SUM_OF_SQUARES: Final = LARGEST_SUMMED * LARGEST_SUM
"""Beyond what so many of the largest numbers give that are added up at all."""
LARGEST_BUCKET: Final = 2000
"""Latency buckets beyond this are longer than any connection lasts: 10**17 seconds."""
MAX_KEYS: Final = 4096
"""Status codes, reasons or buckets in one pane."""
MAX_KEY: Final = 64
"""Characters of a status code or reason."""
MAX_MOMENTS: Final = 8 * 2080
"""Bytes: of each pair of 64 columns a number."""
FLOAT: Final = 8
"""Bytes of a number."""
SUMMING: Final = 1e-9
"""What rounding may add to a sum, as a part of it."""
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
        and _are_sound_checks(pane)
        and (pane.scores is None or _are_sound_scores(pane.scores))
        and len(pane.moments) <= MAX_VIEWS
        and all(_are_sound_moments(each) for each in pane.moments.values())
    )


def _are_sound_checks(pane: Pane) -> bool:
    names = pane.names
    return (
        len(pane.distinct) <= MAX_COLUMNS + 1
        and all(len(name) <= MAX_NAME for name in pane.distinct)
        and _are_counts(each.values for each in pane.distinct.values())
        and all(len(each.sketch) <= MAX_SKETCH for each in pane.distinct.values())
        and len(pane.alike or ()) <= MAX_COLUMNS
        and all(max(map(len, pair)) <= MAX_NAME for pair in (pane.alike or {}).items())
        and (
            names is None or (_are_counts((names.requests,)) and _are_sound_names(names.unexpected))
        )
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
        and abs(counts.total) <= LARGEST_SUM
        and abs(counts.squares) <= LARGEST_SUM_OF_SQUARES
        and len(counts.sketch) <= MAX_SKETCH
        and len(counts.distinct) <= MAX_SKETCH
        and _are_sound_names(counts.novel)
        and _are_counts((counts.empty or 0,))
        and len(counts.marks) <= MAX_MARKS
        and all(_is_sound_mark(each, sum(counts.cells)) for each in counts.marks)
    )


def _is_sound_mark(mark: MarkCounts, values: int) -> bool:
    counts = (mark.below, mark.at)
    return math.isfinite(mark.value) and _are_counts(counts) and sum(counts) <= values


def _are_sound_scores(counts: ScoreCounts) -> bool:
    counted = counts.rows - counts.unusable - counts.unknown
    return (
        _are_counts((counts.rows, counts.unusable, counts.unknown, counted))
        and len(counts.classes) <= MAX_CLASSES
        and all(_is_sound_class(each, counted) for each in counts.classes)
    )


def _is_sound_class(counts: ClassScores, counted: int) -> bool:
    sides = (
        (counts.other, counts.otherTotal, counts.otherSquares),
        (counts.this, counts.thisTotal, counts.thisSquares),
    )
    return sum(counts.other) + sum(counts.this) == counted and all(
        len(cells) <= MAX_EDGES + 1
        and _are_counts(cells)
        # Scores are 0 to 1, so that neither sum is larger than the number of rows.
        and all(0 <= total <= (1 + SUMMING) * sum(cells) for total in (total, squares))
        for cells, total, squares in sides
    )


def _are_sound_names(novel: Mapping[str, int]) -> bool:
    # They come to stand in messages.
    return (
        len(novel) <= MAX_NOVEL
        and all(len(name) <= MAX_NOVEL_NAME and name.isprintable() for name in novel)
        and _are_counts(novel.values())
    )


def _are_sound_moments(counts: MomentCounts) -> bool:
    arrays = (counts.sums, counts.products, counts.fourths)
    return (
        _are_counts((counts.rows, counts.skipped))
        and _are_spans((counts.errors, counts.errorSquares))
        and all(len(each) <= MAX_MOMENTS and len(each) % FLOAT == 0 for each in arrays)
    )


def _are_counts(values: Iterable[int]) -> bool:
    # Two passes in C are several times faster than one in Python: a pane has thousands of counts.
    taken = values if isinstance(values, list | tuple) else list(values)
    return not taken or (min(taken) >= 0 and max(taken) <= LARGEST_COUNT)


def _are_spans(seconds: Iterable[float]) -> bool:
    return all(math.isfinite(span) and span >= 0 for span in seconds)
