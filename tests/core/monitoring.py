"""Panes, ticks and specs for tests, with as little said as possible."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.core.baseline.profile import Profile, digest
from modelmonitor.core.counting.columns import ColumnCounter
from modelmonitor.core.drift.evidence import Evidence
from modelmonitor.core.judging.evaluation import Evaluation, evaluate
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.wire.pane import ColumnCounts, LatencyCounts, Pane, RequestCounts

EPOCH: Final = 1_700_000_040.0
"""Start of the first tick: a multiple of a minute."""
INTERVAL: Final = 60.0

steady: Final = settings(
    deadline=None,  # the machine may be busy
    derandomize=True,  # a test that fails must fail again
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
"""Settings of property tests."""

Table = Mapping[str, Sequence[Any] | NDArray[Any]]


def spec_of(*metrics: Mapping[str, Any], interval: str = "1m", **more: Any) -> ModelMonitorSpec:
    """Return a spec with these metrics."""
    return ModelMonitorSpec.model_validate(
        {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
            "collection": {"ports": [{"name": "http"}]},
            "baseline": {"type": "ConfigMap", "configMap": {"name": "baseline"}},
            "interval": interval,
            "metrics": [{"name": metric["type"].lower(), **metric} for metric in metrics],
            **more,
        }
    )


def drift(critical: str | None = "0.05", warning: str | None = None) -> dict[str, Any]:
    """Return a Drift metric over all inputs."""
    tolerance = {"critical": critical, "warning": warning}
    return {
        "type": "Drift",
        "drift": {
            "columns": {"group": "Inputs"},
            "tolerance": {name: value for name, value in tolerance.items() if value is not None},
        },
    }


def counts_of(profile: Profile, table: Table) -> dict[str, ColumnCounts]:
    """Return what a collector counts of some rows."""
    counts = {}
    for column in profile.columns:
        counter = ColumnCounter(column.kind, cuts=column.cuts, categories=column.categories)
        values = table[column.name]
        counter.add(values.tolist() if isinstance(values, np.ndarray) else values)
        counts[column.name] = counter.counts()
    return counts


def pane(number: int = 0, *, boot: str = "boot", **fields: Any) -> Pane:
    """Return the pane of one replica in tick `number`; by default ten good requests."""
    start = EPOCH + number * INTERVAL
    defaults = {
        "monitorUID": "monitor",
        "podUID": f"pod-{boot}",
        "bootID": boot,
        "seq": number + 1,
        "start": start,
        "end": start + INTERVAL,
        "interval": INTERVAL,
        "revision": "one",
        "forwardedBytes": 1000,
        "copiedBytes": 1000,
        "requests": requests(10),
    }
    return Pane(**{**defaults, **fields})


def requests(seen: int, **fields: Any) -> RequestCounts:
    """Return so many requests, all decoded and answered with 200."""
    defaults = {"seen": seen, "sampled": seen, "decoded": seen, "codes": {"200": seen}}
    return RequestCounts(**{**defaults, **fields})


def latencies(**buckets: int) -> dict[str, LatencyCounts]:
    """Return response latencies by bucket index, written `at_17=3`."""
    by_index = {int(name.removeprefix("at_")): count for name, count in buckets.items()}
    return {"Response": LatencyCounts(buckets=by_index, count=sum(by_index.values()))}


def rows_pane(profile: Profile, number: int, table: Table, **fields: Any) -> Pane:
    """Return a pane that counted some rows by a profile."""
    rows = len(next(iter(table.values())))
    defaults = {
        "baselineDigest": digest(profile),
        "columns": counts_of(profile, table),
        "requests": requests(rows),
    }
    return pane(number, **{**defaults, **fields})


def tick(number: int, *panes: Pane, **fields: Any) -> Tick:
    """Return a tick whose collectors all answered."""
    defaults = {
        "start": EPOCH + number * INTERVAL,
        "interval": INTERVAL,
        "panes": panes,
        "expected": max(1, len(panes)),
        "answered": max(1, len(panes)),
        "replicas_wanted": max(1, len(panes)),
        "judged_revision": "one",
    }
    return Tick(**{**defaults, **fields})


def judge(
    spec: ModelMonitorSpec,
    ticks: Sequence[Tick],
    profile: Profile | None = None,
    evidence: Evidence | None = None,
) -> Verdict:
    """Return the verdict on the first metric."""
    return run(spec, ticks, profile, evidence).verdicts[0]


def run(
    spec: ModelMonitorSpec,
    ticks: Sequence[Tick],
    profile: Profile | None = None,
    evidence: Evidence | None = None,
) -> Evaluation:
    """Return the evaluation of the last tick."""
    name = "" if profile is None else digest(profile)
    return evaluate(spec, profile, name, ticks, evidence)
