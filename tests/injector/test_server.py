"""The webhook over real TLS: it answers what the API server expects, and never says no."""

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from modelmonitor.core.settings import Settings
from modelmonitor.injector.api_server import TrustEntry
from modelmonitor.injector.main import Injector, serve
from modelmonitor.injector.patches import PatchOperation
from tests.injector.conftest import MakePod
from tests.injector.memory import ROOT_KEY, MemoryApiServer
from tests.injector.monitors import monitor_body
from tests.injector.patching import apply_patch

WEBHOOK = "modelmonitor"
SERVER_NAME = "modelmonitor-injector.system.svc"


class Replica:
    """An injector with its servers on free ports, on an API server in memory."""

    def __init__(self) -> None:
        self.api = MemoryApiServer()
        self.api.trust[WEBHOOK] = [TrustEntry("pods.modelmonitor.dev", b"")]
        self.api.config_maps["modelmonitor-public-keys"] = {"root-public-keys": ROOT_KEY}
        self.api.put(monitor_body())
        settings = Settings(namespace="system", pod_name="i", collector_image="example.org/c:1")
        self.injector = Injector(settings, self.api)
        self.webhook_port = 0
        self.health_port = 0

    async def start(self, stack: AsyncExitStack) -> None:
        self.health_port = await serve(stack, self.injector.health(), 0, host="127.0.0.1")
        self.webhook_port = await serve(
            stack, self.injector.webhook(), 0, self.injector.certificate, host="127.0.0.1"
        )
        self.client = await stack.enter_async_context(aiohttp.ClientSession())

    async def work(self, stack: AsyncExitStack) -> None:
        work = asyncio.create_task(self.injector.work())
        stack.callback(work.cancel)
        async with asyncio.timeout(20):
            while self.injector.problem():
                await asyncio.sleep(0.01)

    def trust(self) -> ssl.SSLContext:
        bundle = self.api.trust[WEBHOOK][0].ca_bundle.decode()
        return ssl.create_default_context(cadata=bundle)

    async def get(self, path: str) -> tuple[int, str]:
        async with self.client.get(f"http://127.0.0.1:{self.health_port}{path}") as answer:
            return answer.status, await answer.text()

    async def post(self, payload: bytes) -> tuple[int, bytes]:
        url = f"https://127.0.0.1:{self.webhook_port}/mutate?timeout=2s"
        async with self.client.post(
            url, data=payload, ssl=self.trust(), server_hostname=SERVER_NAME
        ) as answer:
            return answer.status, await answer.read()

    async def review(self, body: Any, **request: Any) -> Any:
        status, payload = await self.post(review(body, **request))
        assert status == 200
        return json.loads(payload)


def review(body: Any, **request: Any) -> bytes:
    """Return an AdmissionReview as a 1.35 API server sends it."""
    standard = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "models",
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": body,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return json.dumps(
        {
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": standard | request,
        }
    ).encode()


@pytest.fixture
async def replica() -> AsyncIterator[Replica]:
    async with AsyncExitStack() as stack:
        replica = Replica()
        await replica.start(stack)
        await replica.work(stack)
        yield replica


async def test_a_pod_comes_back_with_a_patch_that_injects_it(
    replica: Replica, pod: MakePod
) -> None:
    body = pod("mlserver")
    answer = await replica.review(body)
    assert answer["apiVersion"] == "admission.k8s.io/v1"
    assert answer["kind"] == "AdmissionReview"
    response = answer["response"]
    assert response["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    patch = [PatchOperation(**step) for step in json.loads(base64.b64decode(response["patch"]))]
    injected = apply_patch(body, patch)
    assert injected["spec"]["initContainers"][-1]["image"] == "example.org/c:1"
    assert injected["metadata"]["labels"]["modelmonitor.dev/monitor"] == "flight-delay"


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "UPDATE"},
        {"subResource": "status"},
        {"namespace": "system"},
        {"object": None, "operation": "DELETE"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
    ],
)
async def test_what_is_no_new_pod_is_allowed_unchanged(
    request_: dict[str, Any], replica: Replica, pod: MakePod
) -> None:
    response = (await replica.review(pod("mlserver"), **request_))["response"]
    assert response["allowed"] is True
    assert "patch" not in response


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"ownerReferences": "none"}},
        {"metadata": {"ownerReferences": [5]}},
        {"spec": {"initContainers": [None]}},
        {"spec": {"initContainers": "none"}},
    ],
)
async def test_a_pod_that_breaks_the_injector_is_allowed_unchanged_and_counted(
    body: Any, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = (await replica.review(body))["response"]
    assert response["allowed"] is True
    assert "patch" not in response
    assert response["auditAnnotations"]["reason"] == "InternalError"
    assert "admitted unchanged after an error" in caplog.text
    _, metrics = await replica.get("/metrics")
    assert "modelmonitor_injector_errors_total 1.0" in metrics


async def test_what_is_no_review_is_refused(replica: Replica) -> None:
    for payload in (b"", b"{}", b"[", b'{"request": 5}', b'{"request": {"uid": 5}}'):
        status, _ = await replica.post(payload)
        assert status == 400


async def test_decisions_are_counted_by_reason(replica: Replica, pod: MakePod) -> None:
    await replica.review(pod("mlserver"))
    await replica.review(pod("guaranteed"))
    _, metrics = await replica.get("/metrics")
    name = "modelmonitor_injector_admissions_total"
    assert f'{name}{{outcome="Injected",reason="Injected"}} 1.0' in metrics
    assert f'{name}{{outcome="Untouched",reason="NotMonitored"}} 1.0' in metrics
    assert "modelmonitor_injector_monitors 1.0" in metrics


async def test_it_is_ready_only_once_monitors_certificate_and_keys_are_there() -> None:
    async with AsyncExitStack() as stack:
        replica = Replica()
        await replica.start(stack)
        assert await replica.get("/livez") == (200, "ok\n")
        status, why = await replica.get("/readyz")
        assert status == 503
        assert "the first list of monitors is not complete" in why
        assert "there is no certificate yet" in why
        assert "the controller has not published its public key yet" in why
        await replica.work(stack)
        assert await replica.get("/readyz") == (200, "ok\n")
        replica.injector.leave()
        assert await replica.get("/readyz") == (503, "the process is about to end\n")


async def test_before_it_ends_it_sends_api_servers_away(replica: Replica, pod: MakePod) -> None:
    url = f"https://127.0.0.1:{replica.webhook_port}/mutate"
    seen = []
    for _ in range(2):
        async with replica.client.post(
            url, data=review(pod("mlserver")), ssl=replica.trust(), server_hostname=SERVER_NAME
        ) as answer:
            assert "patch" in (await answer.json())["response"]
            seen.append(answer.headers.get("Connection"))
        replica.injector.leave()
    assert seen == [None, "close"]


async def test_a_new_certificate_is_served_without_a_restart(replica: Replica) -> None:
    before = await _served_certificate(replica)
    other = Replica()
    async with AsyncExitStack() as stack:
        await other.start(stack)
        await other.work(stack)
    data = other.api.secrets["modelmonitor-injector-tls"].data
    expiry = replica.injector.certificate.load(data["tls.crt"], data["tls.key"])
    assert expiry is not None
    assert expiry > datetime.now(UTC).timestamp()
    replica.api.trust[WEBHOOK] = other.api.trust[WEBHOOK]
    after = await _served_certificate(replica)
    assert after != before


async def _served_certificate(replica: Replica) -> bytes:
    _, writer = await asyncio.open_connection(
        "127.0.0.1", replica.webhook_port, ssl=replica.trust(), server_hostname=SERVER_NAME
    )
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


async def test_a_key_that_is_not_the_certificates_is_refused(replica: Replica) -> None:
    data = replica.api.secrets["modelmonitor-injector-tls"].data
    with pytest.raises(ValueError, match="do not fit"):
        replica.injector.certificate.load(data["tls.crt"], data["ca.key"])
    assert (await replica.review({}))["response"]["allowed"] is True


async def test_many_pods_at_once_are_all_answered(replica: Replica, pod: MakePod) -> None:
    body = pod("mlserver")
    answers = await asyncio.gather(*(replica.review(body) for _ in range(50)))
    assert all("patch" in answer["response"] for answer in answers)
    _, metrics = await replica.get("/metrics")
    assert "modelmonitor_injector_admission_seconds_count 50.0" in metrics
