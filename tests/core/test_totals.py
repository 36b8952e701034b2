"""Totals are exact; what a port's traffic was taken for follows the traffic and stays small."""

from modelmonitor.core.pane.totals import MAX_PROTOCOLS, RECENT, Recognised, TrafficTotals
from tests.core.monitoring import pane, requests


def speaking(**protocols: int) -> Recognised:
    recognised = Recognised()
    recognised.add(pane(requests=requests(1, protocols=named(protocols))))
    return recognised


def named(protocols: dict[str, int]) -> dict[str, int]:
    return {name.replace("__", "/"): count for name, count in protocols.items()}


def test_totals_are_sums_over_panes() -> None:
    totals = TrafficTotals()
    for number in range(3):
        totals.add(
            pane(
                number,
                forwardedBytes=100,
                copiedBytes=90,
                droppedBytes=10,
                requests=requests(7, sampled=5, decoded=4),
            )
        )
    assert (totals.requests, totals.sampled, totals.decoded) == (21, 15, 12)
    assert (totals.forwarded_bytes, totals.copied_bytes, totals.dropped_bytes) == (300, 270, 30)


def test_each_port_names_its_protocols_the_most_frequent_first() -> None:
    recognised = speaking(http__OpenInference=60, http__MLflow=40, grpc__OpenInference=5)
    assert recognised.in_words(["grpc", "http", "idle"]) == [
        "grpc: OpenInference (100%)",
        "http: OpenInference (60%), MLflow (40%)",
    ]


def test_a_few_odd_requests_are_not_named() -> None:
    assert speaking(http__KServeV1=10_000, http__JSON=3).in_words(["http"]) == [
        "http: KServeV1 (100%)"
    ]


def test_a_server_that_speaks_another_protocol_now_is_recognised() -> None:
    recognised = speaking(http__KServeV1=1_000_000)
    for _ in range(3):
        recognised.add(pane(requests=requests(1, protocols={"http/OpenInference": RECENT})))
    assert recognised.of_port("http")[0][0] == "OpenInference"


def test_panes_cannot_make_it_grow_or_lead_it_astray() -> None:
    recognised = Recognised()
    flood = {f"port-{number}/JSON": 1 for number in range(10 * MAX_PROTOCOLS)}
    odd = {"x" * 500 + "/JSON": 5, "no-slash": 5, "http/": 5, "http/JSON": -3, "http/a": 2**60}
    recognised.add(pane(requests=requests(1, protocols=odd)))
    assert recognised.counts == {}
    recognised.add(pane(requests=requests(1, protocols=flood)))
    assert len(recognised.counts) == MAX_PROTOCOLS
