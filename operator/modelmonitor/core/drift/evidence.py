"""Evidence: what the drift detectors remember between ticks.

It is keyed by everything that gives it its meaning (baseline, revision, metric, interval): where
any of that changes, evidence starts afresh. It says up to which tick it was applied, so that a tick
that is judged again, or a pane that is read again, cannot count twice.
"""

import hashlib
import zlib
from typing import Final

import msgspec

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import DriftBudget


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
    """Name of a stream of rows (all of them, or a pod UID) → what its detectors remember, deflated:
    a byte a bet, and a little more a column."""
    learned: bytes = b""
    """How dependent rows turned out to be, where the baseline cannot tell, deflated."""


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
    seasonality: Seasonality = Seasonality.NONE,
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
    seasonality
        Which hours of the baseline are compared with.
    """
    spec = metric.model_dump_json(by_alias=True, exclude_none=True)
    rarely = budget.model_dump_json(by_alias=True)
    parts = [digest, revision, spec, rarely, f"{interval:g}", str(columns), seasonality.value]
    text = "\n".join(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def pack(plain: bytes) -> bytes:
    """Return a state as it is stored: most of it is nothing, which takes hardly any room."""
    return zlib.compress(plain, 1)


def unpack(payload: bytes, size: int) -> bytes | None:
    """Return a state of `size` bytes from what was stored, None if it is something else."""
    try:
        # One byte more than wanted is enough to see that it is something else.
        plain = zlib.decompressobj().decompress(payload, size + 1)
    except zlib.error:
        return None
    return plain if len(plain) == size else None
