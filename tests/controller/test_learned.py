"""A baseline that is learned from panes alone: cells are found, counted, and judged by."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.controller.reconcile import monitors
from modelmonitor.controller.runtime import scheduler
from modelmonitor.core.baseline.profile import ColumnKind, Profile, canonical, load_profile
from modelmonitor.core.counting.columns import ColumnCells, RowCounter
from modelmonitor.core.counting.novel import naming_of
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import ColumnCounts
from tests.controller.memory import Killer
from tests.controller.virtual import BEGIN, run
from tests.controller.world import Traffic, World, spec

HOUR = 3600.0
ROWS = 1000
COLOURS = [f"colour-{number}" for number in range(12)]
DRIFT = {
    "name": "inputs",
    "type": "Drift",
    "drift": {"columns": {"group": "Inputs"}, "tolerance": {"critical": "0.05"}},
}
NEW = {
    "name": "new",
    "type": "DataQuality",
    "dataQuality": {"check": "NewCategoryRatio", "columns": {"names": ["colour"]}},
    "threshold": {"operator": "GreaterThan", "critical": "0.01", "minSamples": 100},
}
INPUTS = [
    {"name": "kelvin", "kind": "Numeric"},
    {"name": "colour", "kind": "Categorical"},
    {"name": "comment", "kind": "Text"},
]


@pytest.fixture(autouse=True)
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the controller look rarely: days pass in these tests."""
    monkeypatch.setattr(monitors, "PULL_EVERY", 1200.0)
    monkeypatch.setattr(monitors, "RECHECK", 1200.0)
    monkeypatch.setattr(scheduler, "MAX_SLEEP", 1200.0)


def counted(configuration: CollectorConfiguration, mean: float, seed: int) -> Traffic:
    """Return what a collector counts of an hour's rows, by the cells it was told."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {
        "kelvin": rng.normal(mean, 2.0, ROWS).tolist(),
        "colour": rng.choice(COLOURS, ROWS).tolist(),
        "comment": ["x" * int(length) for length in rng.integers(5, 80, ROWS)],
    }
    cells = [
        ColumnCells(
            kind=column.kind,
            cuts=column.cuts,
            categories=column.categories,
            naming=naming_of(configuration, column.name),
            key=bytes(8),
        )
        for column in configuration.columns
    ]
    counter = RowCounter(cells)
    counter.add([rows[column.name] for column in configuration.columns], ROWS)
    columns: dict[str, ColumnCounts] = {
        column.name: counter.counts(number) for number, column in enumerate(configuration.columns)
    }
    return Traffic(requests=ROWS, columns=columns)


def prepared(mean: Callable[[float], float] = lambda _hours: 290.0) -> World:
    world = World(interval=HOUR)
    world.deploy()
    uids = {name: world.pod(name) for name in ("web-1", "web-2")}

    def traffic(pod: str, start: float) -> Traffic:
        configuration = world.collectors[uids[pod]].configuration
        assert configuration is not None
        hours = (start - BEGIN) / HOUR
        return counted(configuration, mean(hours), int(hours) * 2 + list(uids).index(pod))

    world.traffic = traffic
    world.monitor(monitor())
    return world


def monitor(inputs: list[dict[str, str]] = INPUTS) -> dict[str, Any]:
    return spec(
        interval="1h",
        metrics=[DRIFT, NEW],
        collection={"ports": [{"name": "http"}], "reveal": ["colour"]},
        baseline={
            "type": "Learned",
            "learned": {"inputs": inputs, "minRows": 8000, "period": "6h"},
        },
    )


def message(world: World) -> str:
    return next(
        str(each["message"])
        for each in world.status()["conditions"]
        if each["type"] == "BaselineReady"
    )


def learned_profile(world: World) -> Profile:
    name = world.status()["baseline"]["learned"]["digest"].removeprefix("sha256:")
    (found,) = [each for each in world.objects if name in each]
    return msgspec.json.decode(world.objects[found], type=Profile)


def test_cells_are_found_and_filled_and_a_later_shift_is_judged_by_them() -> None:
    async def story() -> None:
        world = prepared(lambda hours: 290.0 if hours < 22 else 292.0)
        process = world.start()
        said = []
        for _ in range(20):
            await world.serve(1)
            said.append(message(world))
            if world.condition("BaselineReady")[0] == "False":
                assert world.condition("BaselineReady") == ("False", "Learning")
                assert {each["reason"] for each in world.status()["metrics"]} == {"WarmingUp"}
                assert "baseline" not in world.status()
        rounds = [text for text in said if text.startswith("cut points are being found: round")]
        assert {text.split("round ")[1][0] for text in rounds} == {"1", "2", "3"}
        assert any("of 8000 rows and" in text for text in said)
        assert world.condition("BaselineReady") == ("True", "Loaded")
        assert world.status()["alertState"] == "OK"
        assert world.events().count("BaselineChanged") == 0
        await world.serve(8)
        assert world.status()["worst"] == "inputs"
        assert world.status()["alertState"] == "Critical"
        await process.stop()

    run(story())


def test_the_profile_is_one_as_rows_would_have_given() -> None:
    async def story() -> Profile:
        world = prepared()
        process = world.start()
        await world.serve(20)
        await process.stop()
        return learned_profile(world)

    profile = run(story())
    assert load_profile(canonical(profile)) == profile
    kelvin, colour, comment = profile.columns
    shares = np.cumsum(kelvin.cells[:-1]) / sum(kelvin.cells)
    inner = np.array(kelvin.cuts[1:-1])
    assert len(inner) == 20
    expected = np.random.default_rng(9).normal(290, 2, 200_000)
    assert np.allclose(shares[1:-1], np.arange(1, 21) / 21, atol=0.03)
    assert np.allclose(inner, np.quantile(expected, np.arange(1, 21) / 21), atol=0.3)
    assert sorted(colour.categories) == sorted(COLOURS)
    assert colour.complete
    assert comment.kind is ColumnKind.TEXT
    assert comment.cuts[0] >= 4
    assert comment.cuts[-1] <= 80
    assert profile.rows >= 8000


def test_other_columns_begin_anew() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(18)
        assert world.condition("BaselineReady") == ("True", "Loaded")
        world.monitor(monitor(INPUTS[:2]))
        await world.serve(2)
        assert world.condition("BaselineReady") == ("False", "Learning")
        await process.stop()

    run(story())


LIFE = 18
"""Hours of the stories with a killer: learning, and some judging."""


async def lived(killer: Killer | None) -> tuple[World, Profile]:
    """Live through learning with a killer in wait; another controller follows the first."""
    world = prepared()
    process = world.start(killer)
    for _ in range(LIFE):
        await world.serve(1)
        if killer is not None and killer.dead.is_set():
            await process.kill()
            process, killer = world.start(), None
            await asyncio.sleep(30)
    await process.stop()
    return world, learned_profile(world)


@pytest.mark.parametrize("after_effect", [False, True])
def test_the_same_profile_comes_out_wherever_the_controller_is_killed(after_effect: bool) -> None:
    counting = Killer()
    _, wanted = run(lived(counting))
    puts = [number for number, call in enumerate(counting.calls, 1) if call == "put"]
    for at in random.Random(4).sample(puts, 5):
        killer = Killer(at, after_effect=after_effect)
        _, found = run(lived(killer))
        assert killer.dead.is_set()
        assert canonical(found) == canonical(wanted), at
