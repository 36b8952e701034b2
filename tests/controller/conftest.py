"""A real API server with the CRD, and rooms on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmonitor.api.v1alpha1.monitor import INJECTION_LABEL
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.cluster.mmcluster.settings import default_cache
from tests.cluster.mmcluster.toolchain import Toolchain
from tests.controller.room import Room
from tests.support.kstatus import convention_breaks


@pytest.fixture(scope="session")
def kubectl(root: Path) -> Iterator[Kubectl]:
    """Run an API server with the CRD."""
    with running_apiserver() as kubeconfig:
        run = Kubectl(Toolchain(default_cache()).programs / "kubectl", kubeconfig)
        run("apply", "-f", root / "crds")
        run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield run


@pytest.fixture
def room(
    kubectl: Kubectl, tmp_path: Path, root: Path, request: pytest.FixtureRequest
) -> Iterator[Room]:
    """Make namespaces for a test and run a controller on them."""
    name = f"r{abs(hash(request.node.name)) % 10**6}"
    made = Room(kubectl, name, tmp_path, root)
    for namespace in (name, made.operator):
        kubectl("create", "namespace", namespace)
    kubectl("label", "namespace", name, f"{INJECTION_LABEL}=enabled")
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
    for body in made.seen:
        assert "conditions" not in body.get("status", {}) or not convention_breaks(body)
