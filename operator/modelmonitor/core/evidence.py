"""Evidence: what the drift detectors remember between ticks.

It is keyed by everything that gives it its meaning (baseline, revision, metric, interval): where
any of that changes, evidence starts afresh. It says up to which tick it was applied, so that a tick
that is judged again, or a pane that is read again, cannot count twice.
"""

import hashlib
import zlib
from typing import Final

import msgspec
import numpy as np

from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.statistics.edetector import State

WIDTH: Final = 4
"""Bytes of a float32."""


class MetricEvidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one Drift metric remembers."""

    key: str
    """Hash of what gives the states their meaning."""
    until: float = 0.0
    """Start of the last tick that was looked at, seconds since the epoch; ticks up to it are
    never applied again."""
    rows: int = 0
    """Rows that were applied."""
    states: dict[str, bytes] = {}
    """Detector → its state: little-endian float32, first bytes first, deflated."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the drift metrics of one monitor remember."""

    schema: int = 1
    metrics: dict[str, MetricEvidence] = {}
    """Metric name → what it remembers."""


NO_EVIDENCE: Final = Evidence()
"""Before the first tick."""


def evidence_key(
    metric: Metric,
    budget: DriftBudget,
    digest: str,
    revision: str,
    interval: float,
    columns: int,
) -> str:
    """Return the key under which a metric's evidence is valid.

    Parameters
    ----------
    metric
        The metric as declared.
    budget
        The monitor's false-alarm budget.
    digest
        Of the baseline.
    revision
        The judged one.
    interval
        Seconds.
    columns
        Columns of all drift metrics together, which the radius and the alarm depend on.
    """
    spec = metric.model_dump_json(by_alias=True, exclude_none=True)
    rarely = budget.model_dump_json(by_alias=True)
    text = "\n".join([digest, revision, spec, rarely, f"{interval:g}", str(columns)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def pack(state: State) -> bytes:
    """Return a detector's state as bytes, about a third of its size: most of it is nothing."""
    bytewise = state.astype("<f4").view(np.uint8).reshape(-1, WIDTH).T
    return zlib.compress(bytewise.tobytes(), 1)


def unpack(payload: bytes, shape: tuple[int, int]) -> State | None:
    """Return a detector's state from bytes, None if they are of another shape."""
    size = WIDTH * shape[0] * shape[1]
    try:
        # One byte more than wanted is enough to see that it is something else.
        plain = zlib.decompressobj().decompress(payload, size + 1)
    except zlib.error:
        return None
    if len(plain) != size:
        return None
    bytewise = np.frombuffer(plain, np.uint8).reshape(WIDTH, -1).T
    return np.ascontiguousarray(bytewise).view("<f4").astype(np.float32).reshape(shape)
