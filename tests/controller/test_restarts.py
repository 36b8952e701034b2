"""Restarts leave no trace in the verdicts; a lost store makes them Unknown, never an alert."""

from typing import Any

import pytest

from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, ColumnRole, Profile
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


def verdicts(world: World) -> list[tuple[str, ...]]:
    """Return what a status says of the metrics, but for the values that move at every tick."""
    return [
        (each["name"], each["state"], each["reason"], each["since"])
        for each in world.status()["metrics"]
    ]


def prepared(metrics: list[dict[str, Any]] = METRICS) -> World:
    world = World()
    world.deploy()
    world.pod("web-1")
    world.pod("web-2")
    world.baseline(PROFILE)
    world.traffic = weather
    world.monitor(
        spec(
            metrics=metrics,
            baseline={"type": "ConfigMap", "configMap": {"name": "baseline"}},
        )
    )
    return world


async def watch(world: World, how: str, at: int, intervals: int) -> list[list[tuple[str, ...]]]:
    """Return the verdicts of each interval while the controller ends once and comes again."""
    process: Process = world.start()
    seen = []
    for number in range(intervals):
        if number == at:
            await (process.kill() if how == "kill" else process.stop())
            process = world.start()
        await world.serve(1)
        seen.append(verdicts(world))
    await process.stop()
    return seen


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("at", [1, 4, SHIFT_AT, SHIFT_AT + 1, SHIFT_AT + 2])
def test_verdicts_after_a_restart_are_those_without_it(how: str, at: int) -> None:
    async def undisturbed() -> list[list[tuple[str, ...]]]:
        return await watch(prepared(), "none", -1, SHIFT_AT + 5)

    async def disturbed() -> list[list[tuple[str, ...]]]:
        return await watch(prepared(), how, at, SHIFT_AT + 5)

    expected, found = run(undisturbed()), run(disturbed())
    assert found == expected
    assert {state for _, state, *_ in found[SHIFT_AT - 1]} == {"OK"}
    assert {state for _, state, *_ in found[-1]} == {"Firing"}


def test_intervals_that_passed_without_a_controller_are_judged_when_it_comes_back() -> None:
    async def absent() -> list[tuple[str, ...]]:
        world = prepared()
        process = world.start()
        await world.serve(SHIFT_AT)
        await process.kill()
        await world.serve(4)
        process = world.start()
        await world.until(lambda: world.status()["alertState"] == "Critical", 30)
        await process.stop()
        return verdicts(world)

    async def present() -> list[tuple[str, ...]]:
        seen = await watch(prepared(), "none", -1, SHIFT_AT + 4)
        return seen[-1]

    assert run(absent()) == run(present())


def test_without_the_store_nothing_fires_and_nothing_is_ok_before_windows_are_full() -> None:
    async def story() -> None:
        world = prepared(METRICS[1:])
        process = world.start()
        await world.serve(SHIFT_AT + 4)
        assert world.status()["alertState"] == "Critical"
        await process.kill()
        world.objects.clear()
        world.forget_panes()
        process = world.start()
        for _ in range(3):
            await world.serve(1)
            assert world.status()["alertState"] == "Unknown"
            assert world.status()["metrics"][0]["reason"] == "WarmingUp"
            assert world.condition("Alerting")[0] == "Unknown"
        await world.serve(2)
        assert world.status()["alertState"] == "Critical"
        await process.stop()

    run(story())
