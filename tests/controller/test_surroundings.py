"""CollectorsReady tells what would leave injected pods blind or unborn, beyond their template."""

from typing import Any

import pytest

from modelmonitor.controller.gateways.api_server import LIMIT_RANGES, QUOTAS, SERVICES
from modelmonitor.controller.gateways.errors import AccessDeniedError
from modelmonitor.controller.reconcile.surroundings import LIFE, Neighbourhoods
from tests.controller.memory import Killer, MemoryApiServer
from tests.controller.virtual import run
from tests.controller.world import NAMESPACE, World, spec


def service(target: int | str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": target}]},
    }


def quota(cpu: str) -> dict[str, Any]:
    return {"metadata": {"name": "team", "namespace": NAMESPACE}, "spec": {"hard": {"cpu": cpu}}}


def defaults(cpu: str) -> dict[str, Any]:
    item = {"type": "Container", "default": {"cpu": cpu}}
    return {"metadata": {"name": "mean", "namespace": NAMESPACE}, "spec": {"limits": [item]}}


def told(world: World) -> str:
    """Return the message of CollectorsReady."""
    conditions = world.status().get("conditions", [])
    found = (str(one["message"]) for one in conditions if one["type"] == "CollectorsReady")
    return next(found, "")


def test_a_service_by_number_is_told_until_it_is_mended() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.cluster.put(SERVICES, service(8080))
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("CollectorsReady")[1] == "AllInjected")
        assert told(world).endswith(
            "; Service web reaches the model by the number 8080, past the collector: write "
            "`targetPort: http`, or set takeover.type of port http to Swap"
        )
        assert world.condition("Ready")[0] == "True"
        world.cluster.put(SERVICES, service("http"))
        await world.until(lambda: "Service" not in told(world), 121)
        await process.stop()

    run(story())


def test_the_first_of_several_is_told_and_how_to_see_the_others() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1", monitor="")
        world.cluster.put(SERVICES, service("http"))
        world.cluster.put(QUOTAS, quota("10m"))
        world.cluster.put(LIMIT_RANGES, defaults("100m"))
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: "LimitRange mean" in told(world))
        assert told(world).endswith(
            f"; 1 more by `modelmonitor doctor deployment/web -n {NAMESPACE}`"
        )
        await process.stop()

    run(story())


def test_without_the_right_to_list_them_nothing_is_told_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.cluster.put(SERVICES, service(8080))
        world.monitor(spec())
        process = world.start()
        process.api.refuse_list["Service"] = AccessDeniedError("services is forbidden")
        await world.until(lambda: world.condition("CollectorsReady")[1] == "AllInjected")
        await world.clock.sleep(300)
        assert "Service" not in told(world)
        assert caplog.text.count("services is forbidden") == 1
        await process.stop()

    run(story())


def test_what_was_found_serves_a_namespace_for_a_minute() -> None:
    async def story() -> None:
        world = World()
        world.cluster.put(SERVICES, service(8080))
        neighbourhoods = Neighbourhoods(MemoryApiServer(world.cluster, Killer()), world.clock)
        before = await neighbourhoods.of(NAMESPACE)
        assert before.services[0]["spec"] == service(8080)["spec"]
        assert (await neighbourhoods.of("elsewhere")).services == []
        world.cluster.put(SERVICES, service("http"))
        assert await neighbourhoods.of(NAMESPACE) is before
        await world.clock.sleep(LIFE)
        (after,) = (await neighbourhoods.of(NAMESPACE)).services
        assert after["spec"]["ports"] == [{"port": 80, "targetPort": "http"}]

    run(story())
