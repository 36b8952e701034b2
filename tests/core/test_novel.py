"""What may be said of values that the baseline does not list."""

import base64
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.counting.novel import (
    MAX_NOVEL_NAME,
    NovelTable,
    hashed,
    naming_of,
    revealed,
)
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import MAX_NOVEL

KEY = base64.urlsafe_b64encode(b"0123456789abcdef").decode()
CONFIGURATION = CollectorConfiguration(
    monitorUID="m", interval=60.0, reveal=["carrier"], hashKey=KEY
)


def as_is(text: str) -> str:
    return text


@given(st.text())
def test_a_hash_tells_nothing_and_is_always_the_same(text: str) -> None:
    name = hashed(b"key", "column")(text)
    assert name == hashed(b"key", "column")(text)
    assert len(name) == 13
    assert name[0] == "#"
    assert int(name[1:], 16) >= 0


def test_hashes_differ_by_key_column_and_value() -> None:
    names = {
        hashed(b"one", "a")("x"),
        hashed(b"two", "a")("x"),
        hashed(b"one", "b")("x"),
        hashed(b"one", "a")("y"),
    }
    assert len(names) == 4


@given(st.text(st.characters()))
def test_what_is_revealed_is_short_and_printable(text: str) -> None:
    name = revealed(text)
    assert name.isprintable()
    assert len(name) == min(len(text), MAX_NOVEL_NAME)


def test_what_is_revealed_is_readable() -> None:
    assert revealed("Zürich HB") == "Zürich HB"
    assert revealed("\x1b[31m") == "\N{REPLACEMENT CHARACTER}[31m"


def test_only_columns_that_are_revealed_are_named_in_clear() -> None:
    carrier = naming_of(CONFIGURATION, "carrier")
    airport = naming_of(CONFIGURATION, "airport")
    assert carrier is not None
    assert airport is not None
    assert carrier("XX") == "XX"
    assert airport("XX") == hashed(b"0123456789abcdef", "airport")("XX")


@pytest.mark.parametrize("key", ["", "a", "\N{BULLET}"])
def test_without_a_key_nothing_is_named(key: str) -> None:
    configuration = CollectorConfiguration(monitorUID="m", interval=60.0, hashKey=key)
    assert naming_of(configuration, "airport") is None


@given(st.lists(st.tuples(st.text(max_size=128), st.integers(1, 50)), max_size=60))
def test_few_values_are_counted_exactly_and_the_most_frequent_named(
    added: list[tuple[str, int]],
) -> None:
    table = NovelTable()
    expected: Counter[str] = Counter()
    for text, rows in added:
        table.add(text, rows)
        expected[text.encode(errors="replace").decode()] += rows
    named = table.counts(as_is)
    assert len(named) == min(len(expected), MAX_NOVEL)
    assert named.items() <= expected.items()
    assert sorted(named.values(), reverse=True) == sorted(expected.values(), reverse=True)[:32]


@given(
    rare=st.integers(0, 3000),
    frequent=st.lists(st.integers(1, 400), min_size=1, max_size=5),
)
def test_of_any_number_of_values_frequent_ones_are_named_and_never_too_high(
    rare: int, frequent: list[int]
) -> None:
    table = NovelTable()
    total = rare + sum(frequent)
    for number in range(rare):
        table.add(f"rare {number}", 1)
        for value, times in enumerate(frequent):
            if number < times:
                table.add(f"frequent {value}", 1)
    for value, times in enumerate(frequent):
        if times > rare:
            table.add(f"frequent {value}", times - rare)
    named = table.counts(as_is)
    assert len(named) <= MAX_NOVEL
    for value, times in enumerate(frequent):
        if times > total / 30:
            assert 0 < named[f"frequent {value}"] <= times
    assert all(rows == 1 for name, rows in named.items() if name.startswith("rare"))


def test_long_values_cost_no_more_and_stay_different() -> None:
    table = NovelTable()
    for length in (300, 301, 10**6):
        table.add("x" * length, 1)
    assert sorted(map(len, table.counts(as_is))) == [132, 132, 136]


def test_values_with_one_name_are_counted_together() -> None:
    table = NovelTable()
    table.add("x" * 70, 1)
    table.add("x" * 71, 2)
    assert table.counts(revealed) == {"x" * 64: 3}
