"""Fixtures with parts of a real Kubernetes; `tests/conftest.py` registers them for every room."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.mmcluster import settings
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.cluster.mmcluster.toolchain import Toolchain


@dataclass(frozen=True)
class ApiServer:
    """An API server without nodes."""

    kubeconfig: Path
    kubectl: Kubectl


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """Run a kube-apiserver with etcd for the session; tests use namespaces of their own."""
    with running_apiserver() as kubeconfig:
        program = Toolchain(settings.default_cache()).programs / "kubectl"
        yield ApiServer(kubeconfig, Kubectl(program, kubeconfig))


@pytest.fixture(scope="session")
def helm() -> Path:
    """Return the path of Helm."""
    toolchain = Toolchain(settings.default_cache())
    toolchain.helm()
    return toolchain.programs / "helm"
