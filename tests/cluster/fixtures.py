"""Fixtures with a real Kubernetes; `tests/conftest.py` registers them for every room."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.mmcluster import images, lifecycle, project_images, settings
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.kubectl import Kubectl, administrator
from tests.cluster.mmcluster.toolchain import Toolchain


@dataclass(frozen=True)
class ApiServer:
    """An API server without nodes."""

    kubeconfig: Path
    kubectl: Kubectl


@dataclass(frozen=True)
class Cluster:
    """A cluster with nodes; it runs on after the tests."""

    kubeconfig: Path
    kubectl: Kubectl
    helm: Path
    settings: settings.Settings


@dataclass(frozen=True)
class ProjectImages:
    """Names of the project's images, built from this checkout and present on the nodes."""

    collector: str
    operator: str


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


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Switch the local cluster on, or repair it."""
    chosen = settings.from_environment()
    lifecycle.up(chosen)
    return Cluster(chosen.kubeconfig, administrator(chosen), chosen.programs / "helm", chosen)


@pytest.fixture(scope="session")
def project_image_names(cluster: Cluster) -> ProjectImages:
    """Build the project's images and load them onto the nodes."""
    cache = cluster.settings.cache
    tags = project_images.build(cache)
    images.load(cluster.settings, project_images.layout(cache), tags)
    return ProjectImages(*tags)
