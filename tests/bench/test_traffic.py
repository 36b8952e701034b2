"""The messages of the benchmark are those that its figures speak of, and everybody counts them."""

from typing import Final

import pytest

from bench.dataplane.programs.counting import Counting
from bench.dataplane.traffic import FEATURES, PATH, configuration, request_body, response_body
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.collector.protocols.base import Rows
from tests.collector.layouts import call_of, exchange_of

COLUMNS: Final = [*(f"feature_{number}" for number in range(FEATURES)), "predict", "score"]


def collected(features: int, request: bytes) -> Rows:
    """Return what the collector reads in one request and its response."""
    call = call_of(PATH.encode(), request, response_body())
    return Interpreter(configuration(features), ("http",)).decode(exchange_of(call)).rows


def test_messages_have_the_sizes_that_bars_were_set_with() -> None:
    assert (len(request_body()), len(response_body())) == (497, 201)


def test_the_collector_counts_every_column() -> None:
    buffer = RowBuffer(configuration())
    buffer.add(collected(FEATURES, request_body()), 1)
    counts = buffer.counts()
    assert list(counts) == COLUMNS
    assert all(counts[name].rows == sum(counts[name].cells) == 1 for name in COLUMNS)


def test_peers_count_what_the_collector_counts() -> None:
    buffer, counting = RowBuffer(configuration()), Counting(FEATURES)
    for _ in range(3):
        buffer.add(collected(FEATURES, request_body()), 1)
        counting.add(request_body(), response_body())
    assert counting.pairs == 3
    assert counting.columns() == buffer.counts()


@pytest.mark.parametrize(("features", "size"), [(1, 200), (48, 1100)])
def test_messages_of_other_models_have_the_size_asked_for(features: int, size: int) -> None:
    request = request_body(features, size)
    assert len(request) == size
    matrix = collected(features, request).inputs.matrix
    assert matrix is not None
    assert len(matrix) == features
