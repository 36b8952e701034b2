"""A monitor may name an InferenceService; what is watched is its predictor's Deployment."""

from tests.controller.virtual import run
from tests.controller.world import World, spec

IRIS = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "iris"}


def test_an_inference_service_is_watched_from_the_moment_it_has_its_deployment() -> None:
    async def story() -> None:
        world = World()
        world.monitor(spec(targetRef=IRIS))
        process = world.start()
        await world.until(lambda: world.condition("Ready") == ("False", "TargetNotFound"))
        assert "create the InferenceService iris in KServe's Standard mode" in (
            world.kstatus().message
        )
        world.deploy("iris-predictor")
        world.pod("iris-predictor-1", app="iris-predictor")
        await world.until(lambda: world.condition("Ready")[0] == "True")
        await world.until(lambda: world.condition("CollectorsReady")[1] == "AllInjected")
        await process.stop()

    run(story())


def test_a_monitor_of_the_deployment_and_one_of_the_service_claim_the_same() -> None:
    async def story() -> None:
        world = World()
        world.deploy("iris-predictor")
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris-predictor"}
        world.monitor(spec(targetRef=deployment), "a")
        world.monitor(spec(targetRef=IRIS), "b")
        process = world.start()
        await world.until(lambda: world.condition("Stalled", "b") == ("True", "Conflicted"))
        await world.until(lambda: world.condition("Ready", "a")[0] == "True")
        await process.stop()

    run(story())
