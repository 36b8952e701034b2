"""A real API server with our CRD, one for all tests of the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.client import ApiServer
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.cluster.mmcluster.settings import default_cache
from tests.cluster.mmcluster.toolchain import Toolchain
from tests.support.waiting import wait_until

NAMESPACE = "models"


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Return the administrator's kubeconfig of a running API server."""
    with running_apiserver() as path:
        yield path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path, root: Path) -> Kubectl:
    """Return kubectl for the API server, with the CRD as it is checked in and a namespace."""
    run = Kubectl(Toolchain(default_cache()).programs / "kubectl", kubeconfig)
    run("apply", "-f", root / "crds")
    run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    run("create", "namespace", NAMESPACE)
    wait_until("kubectl knows the short name", lambda: run.succeeds("get", "mm", "-A"), 30)
    return run


@pytest.fixture(scope="session")
def server(
    kubectl: Kubectl, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """Return a client of the same API server."""
    client = ApiServer(kubeconfig, tmp_path_factory.mktemp("credentials"))
    yield client
    client.close()
