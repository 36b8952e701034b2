"""Evidence survives being stored, and never longer than it means something."""

from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.drift.evidence import Evidence, MetricEvidence, evidence_key, pack, unpack
from tests.core.monitoring import drift, spec_of

METRIC = spec_of(drift()).metrics[0]


def key(**change: Any) -> str:
    given: dict[str, Any] = {
        "metric": METRIC,
        "budget": DriftBudget(),
        "digest": "sha256:a",
        "revision": "r",
        "interval": 60.0,
        "columns": 3,
    }
    return evidence_key(**{**given, **change})


def test_a_state_is_read_back_exactly() -> None:
    state = np.random.default_rng(0).bytes(100)
    assert unpack(pack(state), 100) == state


@pytest.mark.parametrize("payload", [b"", b"garbage", pack(bytes(12))])
def test_what_is_no_state_of_this_size_is_none(payload: bytes) -> None:
    assert unpack(payload, 8) is None


def test_a_state_that_would_unpack_to_far_more_is_none() -> None:
    assert unpack(pack(bytes(10**7)), 8) is None


def test_evidence_goes_through_a_store() -> None:
    evidence = Evidence(metrics={"inputs": MetricEvidence(key="k", until=1.0, states={"a": b"b"})})
    payload = msgspec.msgpack.encode(evidence)
    assert msgspec.msgpack.decode(payload, type=Evidence) == evidence


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:b"},
        {"revision": "s"},
        {"interval": 30.0},
        {"columns": 4},
        {"metric": spec_of(drift("0.1")).metrics[0]},
        {"seasonality": Seasonality.HOUR_OF_WEEK},
        {"budget": DriftBudget.model_validate({"falseAlarmInterval": {"critical": "2000h"}})},
    ],
    ids=["baseline", "revision", "interval", "columns", "metric", "season", "budget"],
)
def test_the_key_changes_with_everything_that_gives_evidence_its_meaning(
    change: dict[str, Any],
) -> None:
    assert key(**change) != key()


def test_the_key_is_the_same_for_the_same() -> None:
    assert key() == key()
