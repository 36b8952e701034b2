"""Bars follow from figures: what is compared with what, and when something holds."""

import pytest

from bench.dataplane import candidates as kit
from bench.dataplane import capacity, closed_loop, open_loop
from bench.report import Bar, UnsoundRunError
from tests.bench.scripted import SCALE, Figures, scripted

EVERYTHING_SEEN = Figures(
    latency_us=155.0, forwarding_us=15.0, observing_us=9.0, rate=30_000.0, seen=1.0
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no observation: what is not seen never will be."""
    monkeypatch.setattr(kit, "STUCK_SECONDS", 0.0)


def by_name(bars: list[Bar]) -> dict[str, Bar]:
    return {bar.name: bar for bar in bars}


def open_bars(**figures: Figures) -> dict[str, Bar]:
    return by_name(open_loop.measure(*scripted(**figures), SCALE))


def closed_bars(**figures: Figures) -> dict[str, Bar]:
    return by_name(closed_loop.measure(*scripted(**figures), SCALE))


def test_added_latency_is_what_is_above_no_proxy_at_all() -> None:
    bars = open_bars(
        direct=Figures(latency_us=50.0), nginx=Figures(latency_us=150.0), ours=EVERYTHING_SEEN
    )
    for name in ("added_p50_at_200", "added_p50_at_1000"):
        bar = bars[name]
        assert (bar.ours, bar.peer) == (105.0, 100.0)
        assert bar.ratio == pytest.approx(1.05)
        assert bar.holds
    assert not open_bars(
        direct=Figures(latency_us=50.0), nginx=Figures(latency_us=140.0), ours=EVERYTHING_SEEN
    )["added_p50_at_200"].holds


def test_millicores_are_processor_time_over_the_time_of_the_load() -> None:
    bar = open_bars(direct=Figures(latency_us=50.0), ours=EVERYTHING_SEEN)["millicores_at_200"]
    assert bar.ours == pytest.approx(200 * 24e-6 * 1e3)


def test_latency_of_a_collector_that_does_not_observe_is_worth_nothing() -> None:
    blind = Figures(latency_us=90.0, seen=0.5)
    with pytest.raises(UnsoundRunError, match="ours observed only 300 of 600 requests"):
        open_bars(direct=Figures(latency_us=50.0), ours=blind)


def test_a_request_costs_what_all_processes_take_for_it() -> None:
    bars = closed_bars(
        ours=EVERYTHING_SEEN,
        aiohttp=Figures(forwarding_us=168.0),
        aiohttp_uvloop=Figures(forwarding_us=120.0),
        kserve_agent=Figures(forwarding_us=150.0, observing_us=42.0, rate=6000.0, seen=1.0),
    )
    assert bars["cpu_splice_c16"].ours == pytest.approx(15.0)
    assert bars["cpu_observer_c64"].ours == pytest.approx(9.0)
    assert bars["cpu_aiohttp_c16"].ratio == pytest.approx(7.0)
    assert "with_uvloop=5.00" in bars["cpu_aiohttp_c16"].notes
    assert bars["cpu_kserve_agent_c16"].ratio == pytest.approx(8.0)
    assert not bars["cpu_kserve_agent_c16"].holds
    assert bars["rate_kserve_agent_c16"].ratio == pytest.approx(5.0)


def test_what_was_not_observed_makes_nothing_cheaper() -> None:
    dropping = Figures(forwarding_us=15.0, observing_us=9.0, rate=30_000.0, seen=0.25)
    bars = closed_bars(ours=dropping, aiohttp=Figures(forwarding_us=168.0))
    assert bars["cpu_observer_c16"].ours == pytest.approx(9.0)
    assert bars["cpu_aiohttp_c16"].ratio == pytest.approx(7.0)
    assert bars["rate_observed"].ours == 0.0
    assert not bars["rate_observed"].holds


@pytest.mark.parametrize(
    ("rate", "highest"), [(30_000.0, 30_000), (27_000.0, 25_000), (24_999.0, 20_000)]
)
def test_the_observed_rate_is_the_last_at_which_clients_do_not_wait(
    rate: float, highest: int
) -> None:
    figures = Figures(latency_us=155.0, rate=rate, seen=1.0)
    assert capacity.highest_rate(*scripted(ours=figures), SCALE) == highest


def test_the_highest_rate_is_none_above_what_is_tried() -> None:
    figures = Figures(rate=1e9, seen=1.0)
    assert capacity.highest_rate(*scripted(ours=figures), SCALE) == capacity.RATES[-1]
