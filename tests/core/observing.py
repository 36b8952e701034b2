"""Panes as a collector of a monitor counts them, with all that the monitor's metrics ask for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.collector.protocols.base import Inputs, Rows
from modelmonitor.controller.reconcile.baseline import Loaded, configuration_for
from modelmonitor.core.baseline.profile import ColumnRole, Profile, digest
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Pane
from tests.core.monitoring import INTERVAL, pane, requests

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def configuration_of(profile: Profile, spec: ModelMonitorSpec) -> CollectorConfiguration:
    """Return what a monitor's collectors are to count."""
    loaded = Loaded(profile, digest(profile))
    return configuration_for(spec, "monitor", INTERVAL, loaded, KEY)


def observed(
    profile: Profile,
    spec: ModelMonitorSpec,
    number: int,
    table: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]],
    *,
    boot: str = "boot",
    batch: int = 100,
    unexpected: Sequence[str] | None = None,
) -> Pane:
    """Return the pane of one replica in tick `number` that saw these rows, `batch` a request."""
    buffer = RowBuffer(configuration_of(profile, spec))
    plain = {
        name: values.tolist() if isinstance(values, np.ndarray) else list(values)
        for name, values in table.items()
    }
    size = len(next(iter(plain.values())))
    inputs = [each.name for each in profile.columns if each.role is ColumnRole.INPUT]
    outputs = [each.name for each in profile.columns if each.role.is_output]
    for start in range(0, size, batch):
        part = {name: values[start : start + batch] for name, values in plain.items()}
        told = Inputs(
            rows=min(batch, size - start),
            columns=[part.get(name) for name in inputs],
            unexpected=unexpected,
        )
        buffer.add(Rows(inputs=told, outputs=[part.get(name) for name in outputs]), 100)
    return pane(
        number,
        boot=boot,
        baselineDigest=digest(profile),
        columns=buffer.counts(),
        requests=requests(size),
        **buffer.parts(),
    )
