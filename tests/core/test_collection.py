"""What the status says of collection: shares of one tick, and protocols for longer."""

from typing import Any

from modelmonitor.api.v1alpha1.status import CollectionStatus
from modelmonitor.core.injection.collection import collection_status
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.pane.totals import Recognised
from tests.core.monitoring import pane, requests, tick

PORTS = ["http", "grpc"]


def told(
    seen: Tick | None, previous: CollectionStatus | None = None, **protocols: int
) -> dict[str, Any]:
    recognised = Recognised()
    named = {name.replace("__", "/"): count for name, count in protocols.items()}
    recognised.add(pane(requests=requests(1, protocols=named)))
    status = collection_status(seen, recognised, PORTS, previous)
    return {} if status is None else status.to_wire()


def test_shares_are_those_of_the_last_tick_rounded_down() -> None:
    counts = requests(1000, sampled=300, decoded=299, undecodable={"RequestShape": 1})
    seen = tick(0, pane(copiedBytes=990, requests=counts), expected=3, answered=3)
    assert told(seen, http__OpenInference=299) == {
        "observedShare": "0.990",
        "sampledShare": "0.300",
        "decodedShare": "0.996",
        "undecodable": "RequestShape",
        "protocols": ["http: OpenInference (100%)"],
    }


def test_shares_of_nothing_are_not_told() -> None:
    assert told(tick(0, pane(requests=requests(0)))) == {"observedShare": "1.000", "protocols": []}
    unsampled = requests(10, sampled=0, decoded=0)
    assert told(tick(0, pane(requests=unsampled))) == {"observedShare": "1.000", "protocols": []}
    assert "sampledShare" not in told(tick(0, pane(requests=requests(10))))


def test_a_pod_that_does_not_answer_lowers_what_was_observed() -> None:
    seen = tick(0, pane(requests=requests(10)), expected=2, answered=1)
    assert told(seen)["observedShare"] == "0.500"


def test_protocols_are_kept_port_by_port_until_there_are_others() -> None:
    before = CollectionStatus(
        observed_share="0.5",
        protocols=["http: KServeV1 (100%)", "grpc: OpenInference (100%)", "gone: JSON (100%)"],
    )
    assert told(None, before) == {
        "protocols": ["http: KServeV1 (100%)", "grpc: OpenInference (100%)"]
    }
    assert told(tick(0, pane()), before, http__MLflow=3)["protocols"] == [
        "http: MLflow (100%)",
        "grpc: OpenInference (100%)",
    ]


def test_without_a_tick_and_protocols_there_is_nothing_to_say() -> None:
    assert told(None) == {}
