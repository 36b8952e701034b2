"""Restarts leave no trace in the verdicts; a lost store makes them Unknown, never an alert."""

from typing import Any

import pytest

from modelmonitor.core.profile import ColumnKind, ColumnProfile, ColumnRole, Profile
from modelmonitor.core.wire.pane import ColumnCounts
from tests.controller.virtual import BEGIN, run
from tests.controller.world import INTERVAL, Process, Traffic, World, spec

CELLS = [0, 100, 100, 100, 100, 0]
PROFILE = Profile(
    rows=4000,
    ordered=True,
    columns=[
        ColumnProfile(
            name="temp",
            kind=ColumnKind.NUMERIC,
            role=ColumnRole.INPUT,
            rows=4000,
            cuts=[0.0, 1.0, 2.0, 3.0, 4.0],
            cells=[10 * cell for cell in CELLS],
            total=8000.0,
            squares=20000.0,
        )
    ],
)
SHIFT_AT = 6
"""Intervals before the shift."""
METRICS = [
    {
        "name": "inputs",
        "type": "Drift",
        "drift": {"columns": {"group": "Inputs"}, "tolerance": {"critical": "0.05"}},
    },
    {
        "name": "temp-psi",
        "type": "Distance",
        "distance": {"column": "temp", "statistic": "PSI"},
        "window": "4m",
        "threshold": {"operator": "GreaterThan", "critical": "0.25", "minSamples": 200},
    },
]


def weather(_pod: str, start: float) -> Traffic:
    """Return rows like the baseline's, and warmer ones from the shift on."""
    interval = round((start - BEGIN) / INTERVAL)
    cells = CELLS if interval < SHIFT_AT else [0, 40, 60, 120, 180, 0]
    wobble = [0, interval % 3, -(interval % 3), 0, 0, 0]
    counts = [cell + change for cell, change in zip(cells, wobble, strict=True)]
    rows = sum(counts)
    return Traffic(requests=rows, columns={"temp": ColumnCounts(rows=rows, cells=counts)})


def small(world: World) -> list[tuple[str, Any, Any, Any, Any]]:
    """Return what a status says of the metrics."""
    return [
        (each["name"], each["state"], each.get("value"), each["reason"], each["since"])
        for each in world.status()["metrics"]
    ]


def prepared() -> World:
    world = World()
    world.deploy()
    world.pod("web-1")
    world.pod("web-2")
    world.baseline(PROFILE)
    world.traffic = weather
    world.monitor(
        spec(
            metrics=METRICS,
            baseline={"type": "ConfigMap", "configMap": {"name": "baseline"}},
        )
    )
    return world


async def watch(world: World, how: str, at: int, intervals: int) -> list[Any]:
    """Return the verdicts of each interval while the controller ends once and comes again."""
    process: Process = world.start()
    seen = []
    for number in range(intervals):
        if number == at:
            await (process.kill() if how == "kill" else process.stop())
            process = world.start()
        await world.serve(1)
        refresh(world)
        await world.until(lambda: True)
        seen.append(small(world))
    await process.stop()
    return seen


def refresh(world: World) -> None:
    """Nothing: statuses are compared as they were written."""


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("at", [1, 4, SHIFT_AT, SHIFT_AT + 1, SHIFT_AT + 2])
def test_verdicts_after_a_restart_are_those_without_it(how: str, at: int) -> None:
    async def undisturbed() -> list[Any]:
        return await watch(prepared(), "none", -1, SHIFT_AT + 5)

    async def disturbed() -> list[Any]:
        return await watch(prepared(), how, at, SHIFT_AT + 5)

    expected, found = run(undisturbed()), run(disturbed())
    assert [states(each) for each in found] == [states(each) for each in expected]
    assert any("Firing" in dict(states(each)).values() for each in expected)


def states(metrics: list[Any]) -> list[tuple[str, str]]:
    return [(name, state) for name, state, *_ in metrics]


def test_intervals_that_passed_without_a_controller_are_judged_when_it_comes_back() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(SHIFT_AT)
        await process.kill()
        await world.serve(4)
        process = world.start()
        await world.until(lambda: world.status()["alertState"] == "Critical", 30)
        since = {name: since for name, _, _, _, since in small(world)}
        assert since["inputs"] < world.status()["evaluatedAt"]
        await process.stop()

    run(story())


def test_without_the_store_nothing_fires_and_nothing_is_ok_before_windows_are_full() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(SHIFT_AT + 4)
        assert world.status()["alertState"] == "Critical"
        await process.kill()
        world.objects.clear()
        world.collectors = {
            uid: type(collector)(uid, collector.boot_id + "-new", configuration=collector.configuration)
            for uid, collector in world.collectors.items()
        }
        process = world.start()
        await world.serve(1)
        by_name = {each["name"]: each for each in world.status()["metrics"]}
        assert by_name["temp-psi"]["state"] == "Unknown"
        assert by_name["temp-psi"]["reason"] == "WarmingUp"
        assert world.status()["alertState"] not in {"OK", "Critical", "Warning"}
        await process.stop()

    run(story())
