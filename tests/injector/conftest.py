"""Pods as the API server sends them, and the plans and settings that they are injected with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmonitor.core.injection.capture import Capture, WantedPort
from modelmonitor.core.injection.workloads import workload_of
from modelmonitor.injector.plan import InjectionPlan
from modelmonitor.injector.sidecar import CollectorImage

PODS = Path(__file__).parent / "pods"
Pod = dict[str, Any]
MakePod = Callable[[str], Pod]
MakePlan = Callable[..., InjectionPlan]


@pytest.fixture
def pod() -> MakePod:
    """Return a reader of tests/injector/pods, by name."""

    def read(name: str) -> Pod:
        body: Pod = yaml.safe_load((PODS / f"{name}.yaml").read_text())
        return body

    return read


@pytest.fixture
def plan_for() -> MakePlan:
    """Return a maker of the plan of a monitor that watches the pod's workload."""

    def make(body: Pod, *ports: str, **changes: Any) -> InjectionPlan:
        values: dict[str, Any] = {
            "namespace": "models",
            "monitor": "flight-delay",
            "monitor_uid": "b5c1",
            "created": "2026-01-31T12:00:00Z",
            "workload": workload_of(body["metadata"]),
            "capture": Capture(tuple(WantedPort(port) for port in ports or ("http",))),
        }
        return InjectionPlan(**(values | changes))

    return make


@pytest.fixture
def collector() -> CollectorImage:
    """Return the administrator's choices."""
    return CollectorImage(
        image="example.org/modelmonitor/collector@sha256:0123",
        pull_policy="IfNotPresent",
        root_keys="cm9vdA",
        version="0.1.0",
    )
