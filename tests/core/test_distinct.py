"""How many different texts were counted, by one replica or by all."""

import random
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.statistics.distinct import (
    FINE,
    FINE_LOG2,
    REGISTERS,
    DistinctCounter,
    estimate,
    merged,
    relative_error,
)

KEY = b"key"
texts = st.lists(st.text(st.characters()), max_size=50)


def sketch(values: list[str], key: bytes = KEY) -> bytes:
    counter = DistinctCounter(key)
    for value in values:
        counter.add(value)
    return counter.sketch()


@pytest.mark.parametrize("size", [0, 1, 2, 10, 100, 1000, 3000, 10_000, 100_000])
def test_the_estimate_is_within_its_error(size: int) -> None:
    counter = DistinctCounter(KEY)
    for number in range(size):
        counter.add(f"text {number}")
        counter.add(f"text {number}")
    assert estimate(merged([counter.sketch()])) == pytest.approx(size, rel=0.1, abs=1e-9)


def test_the_estimate_has_no_bias() -> None:
    errors = [
        estimate(merged([sketch([f"{seed}-{number}" for number in range(2000)])])) / 2000 - 1
        for seed in range(40)
    ]
    assert abs(float(np.mean(errors))) < 3 * 0.0325 / 40**0.5
    assert float(np.std(errors)) == pytest.approx(0.0325, rel=0.4)


@pytest.mark.parametrize("size", [30, 1000, 4096, 20_000])
def test_the_error_of_a_fine_sketch_is_what_it_says(size: int) -> None:
    errors = []
    for seed in range(60):
        counter = DistinctCounter(b"%d" % seed, FINE_LOG2)
        counter.add_numbers(np.arange(size, dtype=np.float64))
        errors.append(estimate(merged([counter.sketch()], FINE)) / size - 1)
    expected = relative_error(size, FINE)
    assert float(np.std(errors)) == pytest.approx(expected, rel=0.35)
    assert abs(float(np.mean(errors))) < 4 * expected / 60**0.5


def test_sketches_of_another_size_are_left_out() -> None:
    assert estimate(merged([sketch(["a", "b"])], FINE)) == 0


@given(texts, texts, texts)
def test_sketches_merge_to_the_sketch_of_all(
    one: list[str], two: list[str], three: list[str]
) -> None:
    parts = [sketch(one), sketch(two), sketch(three)]
    everything = merged([sketch(one + two + three)])
    assert np.array_equal(merged(parts), everything)
    assert np.array_equal(merged(random.Random(1).sample(parts, 3)), everything)
    assert np.array_equal(merged([*parts, *parts]), everything)


@given(texts)
def test_a_sketch_is_small_and_tells_nothing_without_the_key(values: list[str]) -> None:
    assert len(sketch(values)) <= 700
    assert bool(sketch(values)) == bool(values)
    if values:
        assert sketch(values) != sketch(values, b"other")


@given(st.binary(max_size=2000))
def test_what_is_no_sketch_is_left_out(payload: bytes) -> None:
    good = sketch(["a", "b"])
    for hostile in (payload, zlib.compress(payload), good[:-9], zlib.compress(bytes(10**6))):
        assert np.array_equal(merged([good, hostile]), merged([good]))


def test_registers_that_no_hash_gives_are_left_out() -> None:
    for rank in (56, 255):
        hostile = zlib.compress(bytes([rank]) * REGISTERS)
        assert estimate(merged([hostile])) == 0
    full = zlib.compress(bytes([55]) * REGISTERS)
    assert estimate(merged([full])) == 2.0**64
