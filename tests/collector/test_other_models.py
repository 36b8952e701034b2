"""On a server with several models, requests for the others are not this monitor's."""

import pytest

from modelmonitor.collector.handover import Kind, Record
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.clock import SystemClock
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.totals import Totals
from tests.collector.harness import categorical, configuration_for, numeric
from tests.fuzz.seeds import load

SEEDS = {seed.name: seed for seed in load()}
COLUMNS = (numeric("temp", 0.0), numeric("wind", 0.0), categorical("carrier", "AA", "B6"))


@pytest.mark.parametrize("ratio", [1.0, 0.0])
@pytest.mark.parametrize(
    ("seed", "model"),
    [
        ("mlserver-nested", "m"),
        ("kserve-v1-lists", "m"),
        ("grpc-raw", "m"),
        ("grpc-gzip", "m"),
        ("grpc-stream", "m"),
        ("openai-chat", "gpt-x"),
        ("openai-stream", "gpt-x"),
    ],
)
def test_requests_for_other_models_are_counted_apart(seed: str, model: str, ratio: float) -> None:
    sent = SEEDS[seed]
    calls = len(sent.exchanges)
    for monitored, mine in [(model, True), ("", True), ("another", False)]:
        configuration = configuration_for(*COLUMNS, model=monitored, sampleRatio=ratio)
        totals = Totals()
        book = PaneBook(
            identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
            clock=SystemClock(),
            closed=lambda _pane: None,
            configuration=configuration,
            replaces=False,
        )
        now = int(SystemClock().monotonic() * 1e6)
        Recorder(book, ("http",), totals).take_all(
            [
                Record(Kind.REQUEST, 1, 0, now, sent.request),
                Record(Kind.RESPONSE, 1, 0, now + 1, sent.response),
            ]
        )
        requests = book.tally.requests()
        assert requests.seen == (calls if mine else 0)
        assert requests.decoded == (calls if mine and ratio else 0)
        assert totals.other_models == (0 if mine else calls)
