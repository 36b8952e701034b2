"""The injector says when it should be started anew, and when no pods should be sent to it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from modelmonitor.core.settings import Settings
from modelmonitor.injector.api_server import TrustEntry
from modelmonitor.injector.liveness import PATIENCE, Heartbeats
from modelmonitor.injector.main import Injector
from modelmonitor.injector.selftest import SelfTest
from tests.injector.memory import ROOT_KEY, MemoryApiServer


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settings(**changes: Any) -> Settings:
    return Settings(
        **({"namespace": "system", "pod_name": "i", "collector_image": "c:1"} | changes)
    )


def test_a_loop_that_turns_is_alive(clock: Clock) -> None:
    heartbeats = Heartbeats(clock)
    assert heartbeats.problem() == ""
    beat = heartbeats.loop("watch")
    for _ in range(3):
        clock.now += PATIENCE
        assert heartbeats.problem() == ""
        beat()


def test_a_loop_that_hangs_is_named_until_it_turns_again(clock: Clock) -> None:
    heartbeats = Heartbeats(clock)
    heartbeats.loop("certificates")
    beat = heartbeats.loop("watch")
    clock.now += PATIENCE + 1
    assert heartbeats.problem() == (
        "certificates: no sign of life for 301 s; watch: no sign of life for 301 s"
    )
    beat()
    assert heartbeats.problem() == "certificates: no sign of life for 301 s"


class HangingApiServer(MemoryApiServer):
    """An API server whose lists and Secrets can hang for ever, as no time limit allows."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def get_config_map(self, name: str) -> Mapping[str, str] | None:
        await self.answers.wait()
        return await super().get_config_map(name)


@pytest.fixture
def api() -> HangingApiServer:
    api = HangingApiServer()
    api.trust["modelmonitor"] = [TrustEntry("pods.modelmonitor.dev", b"")]
    api.config_maps["modelmonitor-public-keys"] = {"root-public-keys": ROOT_KEY}
    return api


async def test_a_keeper_that_hangs_fails_the_liveness_of_the_injector(
    api: HangingApiServer, clock: Clock
) -> None:
    api.answers.clear()
    injector = Injector(settings(), api, clock)
    work = asyncio.create_task(injector.work())
    async with asyncio.timeout(20):
        while not api.watched_from:
            await asyncio.sleep(0.01)
    assert injector.stuck() == ""
    clock.now += PATIENCE + 1
    # The watch turns again, the keeper of public keys does not.
    api.events.put_nowait(None)
    async with asyncio.timeout(20):
        while len(api.watched_from) < 2:
            await asyncio.sleep(0.01)
    assert "public keys: no sign of life for 301 s" in injector.stuck()
    assert "watch of monitors" not in injector.stuck()
    work.cancel()


def test_the_self_test_passes_with_usual_settings() -> None:
    for namespaces in ((), ("models",)):
        test = SelfTest(settings(namespaces=namespaces), lambda: 0.0, "0.1.0")
        assert test.problem(ROOT_KEY) == ""


def test_the_self_test_names_what_keeps_pods_from_their_collector() -> None:
    test = SelfTest(settings(), lambda: 0.0, "0.1.0")
    assert test.problem("") == (
        "the self-test's pod was left as it is: the controller has not published its public key yet"
    )
    nowhere = SelfTest(settings(namespaces=("system",)), lambda: 0.0, "0.1.0")
    assert nowhere.problem(ROOT_KEY) == (
        "the self-test's pod was left as it is: not a pod that this injector looks at"
    )


def test_the_self_test_notices_a_mutation_that_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    test = SelfTest(settings(), lambda: 0.0, "0.1.0")
    with monkeypatch.context() as patch:
        patch.setattr("modelmonitor.injector.sidecar.CONTAINER_NAME", "other")
        assert test.problem(ROOT_KEY) == "the self-test's pod was patched in an unexpected way"
    with monkeypatch.context() as patch:
        patch.setattr("modelmonitor.injector.sidecar.volumes", None)
        assert test.problem(ROOT_KEY).startswith("the self-test failed: TypeError")
    assert test.problem(ROOT_KEY) == ""
