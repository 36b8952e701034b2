"""The whole loop in memory and virtual time: from apply to Ready, alert, Job and recovery."""

import pytest

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


def test_every_changed_verdict_is_one_line_of_the_decision_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        world = World()
        world.deploy()
        world.pod("web-1")
        world.monitor(spec())
        process = world.start()
        await world.serve(3)
        world.traffic = lambda _pod, _start: Traffic(errors=120)
        await world.serve(3)
        await process.stop()

    with caplog.at_level("INFO", logger="modelmonitor.decisions"):
        run(story())
    lines = [
        {field: getattr(record, field) for field in ("metric", "state", "reason", "value")}
        for record in caplog.records
        if record.name == "modelmonitor.decisions"
    ]
    assert lines == [
        {"metric": "errors", "state": "OK", "reason": "WithinThreshold", "value": 0.0},
        {"metric": "traffic", "state": "OK", "reason": "WithinThreshold", "value": 10.0},
        {"metric": "errors", "state": "Firing", "reason": "Breach", "value": 0.2},
    ]
    last = caplog.records[-1]
    fields = ("monitor", "severity", "threshold", "samples", "window", "since")
    assert [getattr(last, field) for field in fields] == [
        "models/m",
        "Critical",
        "> 0.05 critical",
        600,
        60.0,
        "2027-01-15T08:04:00Z",
    ]
