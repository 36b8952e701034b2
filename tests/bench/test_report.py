"""What a run says, and when it says that all is well."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import Bar, Bound, ratios, summary, table

AT_MOST = Bound(of="ours", operator="<=", limit=25.0)
NUMBERS = st.floats(0.001, 1e6, allow_nan=False)


def test_a_line_names_both_figures_their_ratio_and_what_has_to_hold() -> None:
    bar = Bar(
        name="cpu_splice_c16",
        unit="us",
        ours=22.0,
        peer=20.0,
        ratio=1.1,
        bound=AT_MOST,
        notes=("spread=1.00..1.20",),
    )
    assert str(bar) == (
        "BAR cpu_splice_c16 ours=22us peer=20us ratio=1.10 bar=ours<=25us holds=yes "
        "spread=1.00..1.20"
    )


def test_a_line_without_a_peer_says_so() -> None:
    line = str(Bar(name="memory", unit="MiB", ours=91.0, bound=AT_MOST))
    assert line == "BAR memory ours=91MiB peer=- ratio=- bar=ours<=25MiB holds=no"


@given(value=NUMBERS, limit=NUMBERS)
def test_bounds_are_kept_or_not(value: float, limit: float) -> None:
    below = Bar(name="x", ours=value, bound=Bound(of="ours", operator="<=", limit=limit))
    above = Bar(name="x", ours=value, bound=Bound(of="ours", operator=">=", limit=limit))
    assert below.holds == (value <= limit)
    assert above.holds == (value >= limit)


@pytest.mark.parametrize("of", ["ratio", "difference"])
def test_a_bar_without_the_figure_that_it_judges_does_not_hold(of: str) -> None:
    bound = Bound(of="ratio" if of == "ratio" else "difference", operator="<=", limit=1e9)
    assert not Bar(name="x", ours=1.0, bound=bound).holds


@pytest.mark.parametrize(("ours", "holds"), [(90.0, True), (110.0, True), (79.0, False)])
def test_a_difference_counts_in_both_directions(ours: float, holds: bool) -> None:
    bound = Bound(of="difference", operator="<=", limit=20.0)
    assert Bar(name="x", ours=ours, peer=100.0, bound=bound).holds is holds


def test_ratios_are_of_single_repetitions() -> None:
    # The quotient of the medians would be 10/10.
    found = ratios([10.0, 30.0, 5.0], [10.0, 5.0, 20.0])
    assert found.median == 1.0
    assert found.values == (1.0, 6.0, 0.25)
    assert found.notes == ("spread=0.25..6.00", "repetitions=3/3")


def test_repetitions_in_which_the_peer_cost_nothing_have_no_ratio() -> None:
    found = ratios([10.0, 10.0, 10.0], [5.0, -1.0, 10.0])
    assert found.values == (2.0, 1.0)
    assert found.notes[-1] == "repetitions=2/3"


@pytest.mark.parametrize("peers", [[0.0, -1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 1.0]])
def test_without_a_ratio_in_most_repetitions_no_bar_holds(peers: list[float]) -> None:
    found = ratios([1.0] * len(peers), peers)
    bound = Bound(of="ratio", operator="<=", limit=1e9)
    bar = Bar(name="x", ours=1.0, ratio=found.median, bound=bound, notes=found.notes)
    assert not bar.holds
    assert "ratio=- " in str(bar)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1))
def test_the_median_ratio_lies_within_the_spread(pairs: list[tuple[float, float]]) -> None:
    ours, peer = zip(*pairs, strict=True)
    found = ratios(ours, peer)
    assert found.median is not None
    assert min(found.values) <= found.median <= max(found.values)
    assert math.isclose(found.values[0], ours[0] / peer[0])


HOLDS = "BAR a ours=1 peer=- ratio=- bar=ours<=2 holds=yes"
FAILS = "BAR b ours=3 peer=- ratio=- bar=ours<=2 holds=no"


def test_a_run_is_well_if_all_bars_hold_and_nobody_doubts() -> None:
    words, well = summary([HOLDS], [])
    assert well
    assert words == "1 of 1 bars hold"


@pytest.mark.parametrize(
    ("lines", "doubts", "said"),
    [
        ([HOLDS, FAILS], [], "does not hold: b ours=3"),
        ([HOLDS], ["others used 1.5 processors"], "not sound: others used 1.5 processors"),
        ([], [], "0 of 0 bars hold"),
    ],
)
def test_otherwise_it_says_why_not(lines: list[str], doubts: list[str], said: str) -> None:
    words, well = summary(lines, doubts)
    assert not well
    assert said in words


def test_tables_are_aligned() -> None:
    text = table("Title", ["", "req/s"], [["direct", "60000"], ["ours", "1"]])
    assert text.splitlines() == [
        "",
        "Title",
        "          req/s",
        "  direct  60000",
        "  ours        1",
    ]
