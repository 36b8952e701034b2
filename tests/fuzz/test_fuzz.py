"""Whatever arrives becomes rows or a counted reason: in time, in bounds, without an exception.

The long run of the same is `bench/fuzz.py`.
"""

import gc
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.observer.decoding import Decoded, Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import Inputs, Rows, UndecodableError
from modelmonitor.collector.protocols.recognition import Confidence, Recognition
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Undecodable
from tests.collector.layouts import call_of, exchange_of
from tests.fuzz.bombs import Bomb, bombs
from tests.fuzz.fuzzer import HONEST_TIMES, FoundError, Fuzzer, configurations, honest_seconds
from tests.fuzz.seeds import Seed, load

MESSAGES = 4000
MEBIBYTE = 1 << 20
LARGEST_PEAK = 64 * MEBIBYTE

SEEDS = load()
BOMBS = list(bombs())


def test_mutated_messages_are_rows_or_a_counted_reason() -> None:
    fuzzer = Fuzzer(1, SEEDS)
    fuzzer.run(0, MESSAGES)
    print(dict(fuzzer.outcomes))
    assert sum(fuzzer.outcomes.values()) == MESSAGES
    decoded = {"OpenInference", "KServeV1", "MLflow", "OpenAI", "JSON", "wire"}
    assert decoded <= fuzzer.outcomes.keys(), "mutations still reach every decoder"


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_the_corpus_itself_can_be_read(seed: Seed) -> None:
    assert seed.exchanges
    for exchange in seed.exchanges:
        reader = Interpreter(configuration_of(seed), ("http",))
        if exchange.succeeded:
            assert reader.samples(exchange)
            rows = reader.decode(exchange).rows
            assert rows.inputs.rows in {0, 1, 2}
            assert rows.inputs.rows or rows.generation


def configuration_of(seed: Seed) -> CollectorConfiguration:
    return configurations()[-1 if seed.name == "declared" else 0]


@pytest.fixture(scope="module")
def honest() -> Iterator[float]:
    """Return the time of an honest message, on a heap as still as the observer's."""
    gc.collect()
    gc.freeze()
    yield honest_seconds()
    gc.unfreeze()


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb_costs_little_more_than_an_honest_message(bomb: Bomb, honest: float) -> None:
    reader = Interpreter(configurations()[0], ("http",))
    exchange = exchange_of(bomb.call)
    begun = time.thread_time()
    assert reason_of(reader, exchange) is not Undecodable.INTERNAL
    assert time.thread_time() - begun <= HONEST_TIMES * honest
    tracemalloc.start()
    try:
        reason_of(reader, exchange)
        assert tracemalloc.get_traced_memory()[1] <= LARGEST_PEAK
    finally:
        tracemalloc.stop()


def reason_of(reader: Interpreter, exchange: Exchange) -> Undecodable | None:
    """Return why an exchange does not become rows; None if it does."""
    try:
        reader.decode(exchange)
    except UndecodableError as error:
        return error.reason
    return None


class _Faulty(Interpreter):
    """Decodes everything to rows without columns."""

    def decode(self, exchange: Exchange) -> Decoded:
        rows = Rows(inputs=Inputs(rows=7, columns=[[1]]))
        return Decoded(rows, Recognition("JSON", Confidence.FALLBACK))


class _Failing(Interpreter):
    """Fails at everything."""

    def decode(self, exchange: Exchange) -> Decoded:
        raise UndecodableError(Undecodable.INTERNAL)


@pytest.mark.parametrize("broken", [_Faulty, _Failing])
def test_a_decoder_at_fault_is_found(broken: type[Interpreter]) -> None:
    fuzzer = Fuzzer(1, SEEDS)
    for index, configuration in enumerate(configurations()):
        reading = fuzzer.readings[index]
        fuzzer.readings[index] = type(reading)(broken(configuration, ("http",)), reading.rows)
    with pytest.raises(FoundError, match="message"):
        fuzzer.run(0, MESSAGES)


def test_a_message_is_the_same_in_every_run() -> None:
    first, again = Fuzzer(3, SEEDS), Fuzzer(3, SEEDS)
    first.run(0, 300)
    again.run(0, 100)
    again.run(100, 200)
    assert first.outcomes == again.outcomes


@given(body=st.binary(max_size=300), data=st.data())
def test_any_bytes_behind_any_head_are_rows_or_a_reason(body: bytes, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from([one for seed in SEEDS for one in seed.exchanges]))
    configuration = data.draw(st.sampled_from(configurations()))
    reader = Interpreter(configuration, ("http",))
    bodies = [seed.request.content(), seed.response.content()]
    bodies[data.draw(st.integers(0, 1))] = body
    call = call_of(seed.path, *bodies, headers=seed.headers, response_headers=seed.response_headers)
    assert reason_of(reader, exchange_of(call)) is not Undecodable.INTERNAL
