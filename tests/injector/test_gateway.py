"""The injector on a real kube-apiserver: watch, compare-and-swap, and pods that it accepts."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmonitor.connection import connect
from modelmonitor.core.injection.capture import Capture
from modelmonitor.core.settings import Settings
from modelmonitor.injector.api_server import ConflictError, ExpiredError, TrustEntry, WatchEvent
from modelmonitor.injector.gateway import KubernetesApiServer
from modelmonitor.injector.main import Injector
from modelmonitor.injector.mutation import mutate
from modelmonitor.injector.sidecar import CollectorImage
from tests.cluster.fixtures import ApiServer
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.injector.conftest import MakePlan, MakePod, Pod
from tests.injector.memory import ROOT_KEY
from tests.injector.monitors import monitor_body
from tests.injector.patching import apply_patch
from tests.injector.takeovers import CASES

pytestmark = pytest.mark.api

SYSTEM = "injector-system"
MODELS = "injector-models"
RESTRICTED = "injector-restricted"
TURNS = 20


@pytest.fixture(scope="session")
def kubectl(apiserver: ApiServer, root: Path) -> Kubectl:
    """Return kubectl for an API server with our CRD and three namespaces."""
    run = apiserver.kubectl
    run.apply_file(root / "crds")
    run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    for name, labels in ((SYSTEM, {}), (MODELS, {}), (RESTRICTED, restricted)):
        metadata = {"name": name, "labels": labels}
        run.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return run


@pytest.fixture
async def server(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesApiServer]:
    monkeypatch.setenv("KUBECONFIG", str(kubectl.kubeconfig))
    server = KubernetesApiServer(await connect(), SYSTEM)
    yield server
    await server.close()
    # Aborted TLS connections are gone only some turns of the loop later.
    for _ in range(TURNS):
        await asyncio.sleep(0)


def manifest(name: str, **changes: Any) -> dict[str, Any]:
    body = monitor_body(name, namespace=MODELS, **changes)
    body["metadata"] = {"name": name, "namespace": MODELS}
    del body["status"]
    return body


async def test_changes_are_seen_by_list_and_watch(
    server: KubernetesApiServer, kubectl: Kubectl
) -> None:
    kubectl.apply(manifest("first"))
    listed = await server.list_monitors(None)
    # Other rooms have monitors on this API server, too.
    assert ("first", MODELS) in {_identity(body) for body in listed.items}
    assert (await server.list_monitors("default")).items == []
    kubectl.apply(manifest("second"))
    kubectl.apply(manifest("second", spec={"suspend": True}))
    kubectl("delete", "mm", "first", "second", "-n", MODELS)
    seen = []
    async with asyncio.timeout(20):
        async for event in server.watch_monitors(None, listed.resource_version):
            if event.type != "BOOKMARK" and _identity(event.object)[1] == MODELS:
                seen.append(_summary(event))
            if len(seen) == 4:
                break
    assert seen == [
        ("ADDED", "second", False),
        ("MODIFIED", "second", True),
        ("DELETED", "first", False),
        ("DELETED", "second", True),
    ]


def _identity(body: Mapping[str, Any]) -> tuple[str, str]:
    return body["metadata"]["name"], body["metadata"]["namespace"]


def _summary(event: WatchEvent) -> tuple[str, str, bool]:
    spec = event.object["spec"]
    return event.type, event.object["metadata"]["name"], spec.get("suspend", False)


async def test_a_version_that_is_too_old_is_told_apart(server: KubernetesApiServer) -> None:
    events = server.watch_monitors(None, "1")
    with pytest.raises(ExpiredError):
        await asyncio.wait_for(anext(events), 20)


async def test_a_secret_is_written_by_one_of_two(server: KubernetesApiServer) -> None:
    data = {"tls.crt": b"a", "tls.key": b"b", "ca.crt": b"c", "ca.key": b"\x00\xff"}
    assert await server.get_secret("swapped") is None
    await server.put_secret("swapped", data, None)
    with pytest.raises(ConflictError):
        await server.put_secret("swapped", data, None)
    found = await server.get_secret("swapped")
    assert found is not None
    assert found.data == data
    await server.put_secret("swapped", data | {"ca.crt": b"d"}, found.resource_version)
    with pytest.raises(ConflictError):
        await server.put_secret("swapped", data, found.resource_version)


def configuration(name: str) -> dict[str, Any]:
    webhook = {
        "name": "pods.modelmonitor.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": SYSTEM, "name": "i", "path": "/mutate"}},
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "objectSelector": {"matchLabels": {"never": "matches"}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook, webhook | {"name": "others.modelmonitor.dev"}],
    }


async def test_an_injector_makes_its_certificate_and_publishes_it(
    server: KubernetesApiServer, kubectl: Kubectl
) -> None:
    kubectl.apply(configuration("published"))
    keys = {"name": "modelmonitor-public-keys", "namespace": SYSTEM}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": keys,
            "data": {"root-public-keys": ROOT_KEY},
        }
    )
    settings = Settings(
        namespace=SYSTEM, pod_name="i", collector_image="c:1", webhook_name="published"
    )
    injector = Injector(settings, server)
    work = asyncio.create_task(injector.work())
    async with asyncio.timeout(20):
        while injector.problem() or not await _trusts(server, "published"):
            await asyncio.sleep(0.05)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    secret = await server.get_secret("modelmonitor-injector-tls")
    assert secret is not None
    assert await _trusts(server, "published") == {secret.data["ca.crt"]}
    selector = kubectl.get("mutatingwebhookconfigurations", "published")["webhooks"][0]
    assert selector["objectSelector"] == {"matchLabels": {"never": "matches"}}


async def test_the_process_works_until_it_is_told_to_stop(
    server: KubernetesApiServer, kubectl: Kubectl
) -> None:
    kubectl.apply(configuration("of-the-process"))
    environment = {
        "KUBECONFIG": str(kubectl.kubeconfig),
        "MM_NAMESPACE": SYSTEM,
        "MM_POD_NAME": "i",
        "MM_COLLECTOR_IMAGE": "c:1",
        "MM_WEBHOOK_NAME": "of-the-process",
        "MM_TLS_SECRET": "of-the-process",
    }
    # On free ports, and without the time that API servers get to go elsewhere.
    program = (
        "import os; from modelmonitor.core.settings import settings_from;"
        "from modelmonitor.injector import main;"
        "main.SERVING_PORT = main.METRICS_PORT = main.FAREWELL = 0;"
        "raise SystemExit(main.run(settings_from(os.environ)))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=os.environ | environment
    )
    try:
        async with asyncio.timeout(30):
            while not await _trusts(server, "of-the-process"):
                assert process.returncode is None
                await asyncio.sleep(0.05)
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _trusts(server: KubernetesApiServer, name: str) -> set[bytes]:
    return {entry.ca_bundle for entry in await server.get_trust(name) or () if entry.ca_bundle}


async def test_only_the_webhooks_that_were_read_are_written(
    server: KubernetesApiServer, kubectl: Kubectl
) -> None:
    kubectl.apply(configuration("renamed"))
    assert await server.get_trust("absent") is None
    with pytest.raises(ConflictError):
        await server.put_trust("renamed", [TrustEntry("another", b"x")])
    assert not await _trusts(server, "renamed")


def _try(kubectl: Kubectl, namespace: str, body: Pod) -> Pod:
    body["metadata"]["namespace"] = namespace
    dry = ("create", "--dry-run=server", "--validate=false", "-o", "json", "-f", "-")
    created: Pod = json.loads(kubectl(*dry, stdin=json.dumps(body)))
    return created


@pytest.mark.parametrize("name", ["mlserver", "istio", "linkerd", "guaranteed", "statefulset"])
def test_the_api_server_accepts_injected_pods_and_none_falls_in_class(
    name: str, kubectl: Kubectl, pod: MakePod, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = pod(name)
    plain = _try(kubectl, MODELS, pod(name))["status"]["qosClass"]
    mutation = mutate(body, plan_for(body), collector)
    injected = _try(kubectl, MODELS, apply_patch(body, mutation.patch))
    assert [one["name"] for one in injected["spec"]["initContainers"]][-1] == "mm-collector"
    # The collector's requests lift a pod that has none.
    kept = "Guaranteed" if plain == "Guaranteed" else "Burstable"
    assert injected["status"]["qosClass"] == kept
    assert (plain == "Guaranteed") is (name == "guaranteed")


@pytest.mark.parametrize(("name", "capture"), CASES.values(), ids=CASES)
def test_the_api_server_accepts_every_takeover(
    name: str,
    capture: Capture,
    kubectl: Kubectl,
    pod: MakePod,
    plan_for: MakePlan,
    collector: CollectorImage,
) -> None:
    body = pod(name)
    mutation = mutate(body, plan_for(body, capture=capture), collector)
    injected = _try(kubectl, MODELS, apply_patch(body, mutation.patch))
    assert injected["spec"]["initContainers"][-1]["name"] == "mm-collector"


RESTRICTED_POD = """
apiVersion: v1
kind: Pod
metadata: {name: model}
spec:
  containers:
    - name: model
      image: example.org/model:1
      ports: [{name: http, containerPort: 8080}]
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
"""


def test_the_restricted_level_lets_injected_pods_in(
    kubectl: Kubectl, plan_for: MakePlan, collector: CollectorImage
) -> None:
    body = yaml.safe_load(RESTRICTED_POD)
    mutation = mutate(body, plan_for(body), collector)
    injected = _try(kubectl, RESTRICTED, apply_patch(body, mutation.patch))
    assert injected["metadata"]["labels"]["modelmonitor.dev/monitor"] == "flight-delay"
