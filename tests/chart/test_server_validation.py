"""A real API server takes every manifest of the chart: all fields known, no security warning."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.conftest import NAMESPACE, Helm
from tests.cluster.fixtures import ApiServer

pytestmark = pytest.mark.api

VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
OTHERS = {"cert-manager.io/v1", "monitoring.coreos.com/v1"}
"""Kinds of other projects, which a bare API server does not know."""
NAMESPACES = [NAMESPACE, "fraud", "models"]


@pytest.fixture(scope="module")
def server(apiserver: ApiServer) -> ApiServer:
    """Return an API server whose namespaces enforce the restricted Pod Security Standard."""
    for name in NAMESPACES:
        labels = {
            f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")
        }
        metadata = {"name": name, "labels": labels}
        apiserver.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return apiserver


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_api_server_takes_every_object_strictly(
    server: ApiServer, helm: Helm, values: Path
) -> None:
    rendered = helm.render("--values", str(values))
    known = [one for one in rendered.objects if one["apiVersion"] not in OTHERS]

    done = subprocess.run(
        [
            server.kubectl.program,
            f"--kubeconfig={server.kubeconfig}",
            *("apply", "--server-side", "--force-conflicts"),
            *("--dry-run=server", "--validate=strict", "-f", "-"),
        ],
        input=yaml.safe_dump_all(known),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.count("serverside-applied (server dry run)") == len(known)
