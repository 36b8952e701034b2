"""What Prometheus reads of a collector: every counter only grows, whatever panes do."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.decoding import Decoded
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.metrics import LATENCY_BOUNDS, registry_for
from modelmonitor.collector.observer.shelf import MemoryStorage, Shelf
from modelmonitor.collector.observer.state import State
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.collector.protocols.base import Generation, Inputs, Rows
from modelmonitor.collector.protocols.recognition import Confidence, Recognition
from modelmonitor.core.wire.pane import Pane, Undecodable
from tests.collector.harness import configuration_for
from tests.collector.test_book import HandClock

MICROSECONDS: Final = 1_000_000
DURATION: Final = "modelmonitor_request_duration_seconds"

requests = st.tuples(st.sampled_from([0, 200, 404, 503]), st.floats(0.0, 20.0))
actions = st.lists(requests | st.sampled_from([0.5, 7.0, 60.0]), max_size=25)


def exchange(status: int, seconds: float) -> Exchange:
    start = MICROSECONDS
    return Exchange(
        port=0,
        connection=1,
        number=0,
        method=b"POST",
        path=b"/",
        headers={},
        started=start,
        request_end=start,
        first_byte=start,
        response_end=start + round(seconds * MICROSECONDS),
        status=status,
    )


class Bench:
    """A collector's counts, without a splice."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.totals = Totals()
        shelf = Shelf(MemoryStorage())

        def closed(pane: Pane) -> None:
            self.totals.add_pane(pane)
            shelf.add(pane)

        self.book = PaneBook(
            identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
            clock=self.clock,
            closed=closed,
            configuration=configuration_for(interval=10.0),
            replaces=False,
        )
        state = State(book=self.book, shelf=shelf, last_pull=0.0)
        self.registry = registry_for(self.totals, state)

    def scrape(self) -> dict[tuple[str, str], float]:
        """Return every sample of a counter or histogram, by name and label values."""
        return {
            (sample.name, "/".join(sample.labels.values())): sample.value
            for family in self.registry.collect()
            if family.type in {"counter", "histogram"}
            for sample in family.samples
        }


@given(actions)
def test_counters_only_grow_and_tell_all(done: list[tuple[int, float] | float]) -> None:
    bench, before = Bench(), dict[tuple[str, str], float]()
    for action in done:
        if isinstance(action, float):
            bench.clock.now += action
            bench.book.advance(bench.clock.now)
        else:
            bench.book.tally.add_exchange(exchange(*action))
        after = bench.scrape()
        assert all(after[key] >= value for key, value in before.items())
        before = after
    served = [action for action in done if isinstance(action, tuple)]
    if not done:
        return
    assert before["modelmonitor_collector_seen_requests_total", ""] == len(served)
    for status, name in ((0, "none"), (200, "2xx"), (404, "4xx"), (503, "5xx")):
        times = sum(code == status for code, _ in served)
        assert before.get(("modelmonitor_requests_total", name), 0) == times
    answered = [seconds for code, seconds in served if code]
    assert before[f"{DURATION}_count", ""] == len(answered)
    assert before[f"{DURATION}_bucket", "+Inf"] == len(answered)
    buckets = [before[f"{DURATION}_bucket", str(bound)] for bound in LATENCY_BOUNDS]
    assert buckets == sorted(buckets)
    for bound, passed in zip(LATENCY_BOUNDS, buckets, strict=True):
        assert sum(seconds <= bound / 1.02 for seconds in answered) <= passed
        assert passed <= sum(seconds <= bound * 1.02 for seconds in answered)


def test_no_label_can_be_filled_by_a_caller() -> None:
    bench = Bench()
    tally = bench.book.tally
    generation = Generation(
        streamed=False, prompt_tokens=1, completion_tokens=1, finish_reasons=["alice@example.com"]
    )
    rows = Rows(inputs=Inputs(rows=1), generation=generation, model="alice", version="alice")
    asked = exchange(999, 1.0)
    asked.path = b"/alice"
    tally.add_exchange(asked)
    tally.add_rows(Decoded(rows, Recognition("OpenAI", Confidence.PATH)), asked, "http")
    tally.add_undecodable(Undecodable.REQUEST_SHAPE)
    labels = {
        (label, value)
        for family in bench.registry.collect()
        for sample in family.samples
        for label, value in sample.labels.items()
        if label != "le"
    }
    assert labels == {
        ("class", "other"),
        ("kind", "prompt"),
        ("kind", "completion"),
        ("port", "http"),
        ("protocol", "OpenAI"),
        ("reason", "other"),
        ("reason", "RequestShape"),
    }
