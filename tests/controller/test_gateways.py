"""The gateways: errors say whether to try again, keys and tokens fit, objects are written whole."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from modelmonitor.controller.gateways.api_server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MONITORS,
    PODS,
    SECRETS,
)
from modelmonitor.controller.gateways.collectors import (
    CollectorAddress,
    Cursor,
    HttpCollectors,
)
from modelmonitor.controller.gateways.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    GatewayError,
    PermanentError,
    TemporaryError,
)
from modelmonitor.controller.gateways.keys import LEAF_ROTATION, LeafTokens, ensure_root
from modelmonitor.controller.gateways.kubernetes import error_of
from modelmonitor.controller.gateways.store import DirectoryStore, open_store
from modelmonitor.core.settings import PRIVATE_ROOT_KEY, PUBLIC_ROOT_KEYS
from modelmonitor.core.wire.configuration import (
    PANE_PORT,
    CollectorConfiguration,
    configuration_digest,
)
from modelmonitor.core.wire.tokens import Scope, public_root_key, verify
from tests.controller.collector_server import ServedCollector, serving
from tests.controller.memory import Cluster, Killer, MemoryApiServer
from tests.controller.virtual import run
from tests.controller.world import SETTINGS

ROOT = bytes(range(32))


@pytest.mark.parametrize(
    ("status", "reason", "message", "error"),
    [
        (409, "AlreadyExists", "there", AlreadyExistsError),
        (409, "Conflict", "modified", ConflictError),
        (403, "Forbidden", "may not", AccessDeniedError),
        (403, "Forbidden", "exceeded quota: q, requested: pods=1", TemporaryError),
        (403, "Forbidden", "namespace x is being terminated", TemporaryError),
        (401, "Unauthorized", "who", AccessDeniedError),
        (422, "Invalid", "spec: wrong", PermanentError),
        (400, "BadRequest", "bad", PermanentError),
        (429, "TooManyRequests", "later", TemporaryError),
        (500, "InternalError", "oops", TemporaryError),
        (503, "", "", TemporaryError),
    ],
)
def test_the_class_of_an_error_says_whether_to_try_again(
    status: int, reason: str, message: str, error: type[GatewayError]
) -> None:
    payload = json.dumps({"reason": reason, "message": message}).encode()
    found = error_of(status, payload, "GET /x")
    assert type(found) is error
    assert str(found) == (message or f"GET /x was answered with {status}")


def test_an_answer_that_is_no_status_is_told_by_its_code() -> None:
    assert str(error_of(502, b"<html>", "GET /x")) == "GET /x was answered with 502"
    assert str(error_of(502, b"[1]", "GET /x")) == "GET /x was answered with 502"


def test_paths_of_resources() -> None:
    assert PODS.path("models", "p", "eviction") == "/api/v1/namespaces/models/pods/p/eviction"
    assert DEPLOYMENTS.path(None) == "/apis/apps/v1/deployments"
    assert MONITORS.path("models", "m", "status") == (
        "/apis/modelmonitor.dev/v1alpha1/namespaces/models/modelmonitors/m/status"
    )


class TestKeys:
    def test_the_first_leader_makes_the_root_and_every_later_one_finds_it(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            api = MemoryApiServer(cluster, Killer())
            root = await ensure_root(api, SETTINGS)
            assert await ensure_root(api, SETTINGS) == root
            assert [kind for kind, _ in cluster.created] == ["Secret", "ConfigMap"]
            published = cluster.objects[
                CONFIG_MAPS, SETTINGS.namespace, SETTINGS.public_keys_config_map
            ]
            assert published["data"][PUBLIC_ROOT_KEYS] == public_root_key(root)

        run(story())

    def test_a_lost_public_key_is_published_again(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            api = MemoryApiServer(cluster, Killer())
            root = await ensure_root(api, SETTINGS)
            place = (CONFIG_MAPS, SETTINGS.namespace, SETTINGS.public_keys_config_map)
            cluster.objects[place]["data"] = {"other": "kept"}
            await ensure_root(api, SETTINGS)
            expected = {"other": "kept", PUBLIC_ROOT_KEYS: public_root_key(root)}
            assert cluster.objects[place]["data"] == expected

        run(story())

    def test_a_secret_that_holds_no_key_is_told_with_the_fix(self) -> None:
        async def story() -> None:
            cluster = Cluster()
            cluster.put(
                SECRETS,
                {
                    "metadata": {"name": SETTINGS.keys_secret, "namespace": SETTINGS.namespace},
                    "data": {PRIVATE_ROOT_KEY: "bm9uc2Vuc2U="},
                },
            )
            with pytest.raises(PermanentError, match="delete the Secret"):
                await ensure_root(MemoryApiServer(cluster, Killer()), SETTINGS)

        run(story())

    def test_tokens_are_accepted_by_their_pod_for_their_scope_also_after_days(self) -> None:
        now = 1_800_000_000.0
        tokens = LeafTokens(ROOT, lambda: now)
        roots = [public_root_key(ROOT)]
        for _ in range(5):
            for scope, token in (
                (Scope.PANES, tokens.for_panes("pod-1")),
                (Scope.CONFIG, tokens.for_configuration("pod-1")),
            ):
                verify(token, root_public_keys=roots, audience="pod-1", scope=scope, now=now + 30)
            now += LEAF_ROTATION + 1


class TestCollectors:
    @pytest.fixture
    def served(self) -> Iterator[ServedCollector]:
        collector = ServedCollector("127.0.9.2", "pod-1", [public_root_key(ROOT)])
        with serving(collector):
            yield collector

    @pytest.fixture
    async def collectors(self) -> AsyncIterator[HttpCollectors]:
        async with aiohttp.ClientSession() as session:
            yield HttpCollectors(session, LeafTokens(ROOT, time.time))

    async def test_a_collector_is_configured_and_its_panes_are_pulled_by_cursor(
        self, served: ServedCollector, collectors: HttpCollectors
    ) -> None:
        address = CollectorAddress("pod-1", "web-1", "127.0.9.2")
        configuration = CollectorConfiguration(monitorUID="uid-1", interval=0.5)
        await collectors.configure(address, configuration)
        assert served.configuration == configuration
        reply = await collectors.pull(address, None)
        assert reply.configDigest == configuration_digest(configuration)
        while len(reply.panes) < 2:
            await asyncio.sleep(0.1)
            reply = await collectors.pull(address, None)
        rest = await collectors.pull(address, Cursor("boot-1", 1))
        assert rest.panes[0].seq == 2
        assert served.refused == []

    async def test_what_is_no_answer_is_not_quoted(self, collectors: HttpCollectors) -> None:
        async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 someone's own words\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(babble, "127.0.9.4", PANE_PORT):
            with pytest.raises(TemporaryError, match="does not answer") as caught:
                await collectors.pull(CollectorAddress("pod-1", "web-1", "127.0.9.4"), None)
        assert "words" not in str(caught.value)

    async def test_nobody_there_passes_and_a_refusal_does_not(
        self, served: ServedCollector, collectors: HttpCollectors
    ) -> None:
        with pytest.raises(TemporaryError, match="collector of pod web-1 does not answer"):
            await collectors.pull(CollectorAddress("pod-1", "web-1", "127.0.9.3"), None)
        with pytest.raises(PermanentError, match="refused GET /v1/panes with 401"):
            await collectors.pull(CollectorAddress("other", "web-1", "127.0.9.2"), None)

    def test_addresses_of_both_families(self) -> None:
        assert CollectorAddress("u", "p", "fd00::1").url("/x") == "http://[fd00::1]:24190/x"


class TestStore:
    async def test_objects_are_written_listed_read_and_deleted(self, tmp_path: Path) -> None:
        store = open_store(f"file://{tmp_path / 'new'}")
        assert await store.list("monitors/a") == []
        assert await store.folders("monitors") == []
        for name in ("monitors/a/2", "monitors/a/1", "monitors/ab/1"):
            await store.put(name, name.encode())
        assert await store.list("monitors/a") == ["monitors/a/1", "monitors/a/2"]
        assert await store.folders("monitors") == ["a", "ab"]
        assert await store.get("monitors/a/1") == b"monitors/a/1"
        await store.put("monitors/a/1", b"new")
        assert await store.get("monitors/a/1") == b"new"
        await store.delete(["monitors/a/1", "monitors/a/1"])
        assert await store.get("monitors/a/1") is None
        await store.delete(["monitors/a/2"])
        assert await store.folders("monitors") == ["ab"]
        await store.put("monitors/a/3", b"again")
        assert await store.folders("monitors") == ["a", "ab"]

    async def test_a_store_that_cannot_be_written_is_told_as_passing(self, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path)
        (tmp_path / "monitors").write_text("a file where a folder belongs")
        with pytest.raises(TemporaryError, match="did not take monitors/a/1"):
            await store.put("monitors/a/1", b"x")

    @pytest.mark.parametrize("url", ["s3://bucket", "file://host/x", "/var/lib", "file:x"])
    def test_other_stores_are_refused_with_an_example(self, url: str) -> None:
        with pytest.raises(PermanentError, match="file:///var/lib/modelmonitor"):
            open_store(url)
