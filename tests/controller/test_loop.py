"""The whole loop in memory and virtual time: from apply to Ready, alert, Job and recovery."""

from tests.controller.virtual import run
from tests.controller.world import RETRAINING, Traffic, World, spec
from tests.support.kstatus import KStatus


def test_a_monitor_whose_names_all_exist_becomes_ready_and_ok() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.until(lambda: world.condition("Ready") == ("True", "Succeeded"))
        assert world.kstatus().status is KStatus.CURRENT
        await world.serve(2)
        assert world.status()["alertState"] == "OK"
        assert world.condition("CollectorsReady") == ("True", "AllInjected")
        assert world.condition("MetricsAvailable") == ("True", "DataReceived")
        assert world.condition("Alerting") == ("False", "NoBreach")
        await process.stop()

    run(story())


def test_a_breach_fires_tells_and_starts_exactly_one_job() -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec(retraining=RETRAINING))
        process = world.start()
        await world.serve(2)
        assert world.jobs() == []
        world.traffic = lambda _pod, _start: Traffic(errors=120)
        await world.serve(3)
        assert world.status()["alertState"] == "Critical"
        assert world.status()["worst"] == "errors"
        assert world.condition("Ready")[0] == "True"
        assert world.kstatus().status is KStatus.CURRENT
        assert len(world.jobs_created()) == 1
        assert world.events().count("AlertFired") == 1
        assert world.events().count("RetrainingStarted") == 1
        assert world.condition("RetrainingActive") == ("True", "JobRunning")
        await process.stop()

    run(story())
