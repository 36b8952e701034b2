"""A baseline of production: learned from panes, the same wherever the controller is killed."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.controller.gateways.api_server import CONFIG_MAPS
from modelmonitor.controller.reconcile import monitors
from modelmonitor.controller.runtime import scheduler
from modelmonitor.core.baseline.profile import Profile, digest
from modelmonitor.core.baseline.profile_builder import build_profile
from tests.controller.memory import Killer
from tests.controller.virtual import BEGIN, run
from tests.controller.world import NAMESPACE, Process, Traffic, World, spec
from tests.core.monitoring import counts_of

HOUR = 3600.0
ROWS = 400
TRAINED = build_profile({"temp": np.random.default_rng(3).normal(0, 1, 2000)})
DRIFT = {
    "name": "inputs",
    "type": "Drift",
    "drift": {"columns": {"group": "Inputs"}, "tolerance": {"critical": "0.05"}},
}
ROLLING = {"type": "Production", "production": {"configMap": {"name": "baseline"}, "period": "24h"}}


@pytest.fixture(autouse=True)
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the controller look rarely: days pass in these tests."""
    monkeypatch.setattr(monitors, "PULL_EVERY", 1200.0)
    monkeypatch.setattr(monitors, "RECHECK", 1200.0)
    monkeypatch.setattr(scheduler, "MAX_SLEEP", 1200.0)


def served(mean: Callable[[float], float]) -> Callable[[str, float], Traffic]:
    """Return traffic whose values have a mean that depends on the hours since the begin."""

    def traffic(pod: str, start: float) -> Traffic:
        seed = [int(start), sum(pod.encode())]
        values = np.random.default_rng(seed).normal(mean((start - BEGIN) / HOUR), 1, ROWS)
        return Traffic(requests=ROWS, columns=counts_of(TRAINED, {"temp": values}))

    return traffic


def prepared(
    mean: Callable[[float], float] = lambda _hours: 2.0, baseline: dict[str, Any] = ROLLING
) -> World:
    """Return a world whose model is asked for other values than it was trained with."""
    world = World(interval=HOUR)
    world.deploy()
    world.pod("web-1")
    world.pod("web-2")
    world.baseline(TRAINED)
    world.traffic = served(mean)
    world.monitor(spec(interval="1h", metrics=[DRIFT], baseline=baseline))
    return world


def message(world: World, kind: str = "BaselineReady") -> str:
    return next(
        str(each["message"]) for each in world.status()["conditions"] if each["type"] == kind
    )


def stored(world: World, kind: str) -> list[str]:
    return sorted(name for name in world.objects if f"/{kind}/" in name)


def profile_in_store(world: World) -> Profile:
    learned = world.status()["baseline"]["learned"]["digest"]
    (name,) = [each for each in stored(world, "baselines") if learned.split(":")[1] in each]
    return msgspec.json.decode(world.objects[name], type=Profile)


def test_until_the_period_was_seen_nothing_is_judged_and_progress_is_said() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(6)
        assert world.condition("Ready") == ("True", "Succeeded")
        assert world.condition("BaselineReady") == ("False", "Learning")
        assert message(world) == "6 h of 24 h have been seen"
        assert world.status()["baseline"] == {"digest": digest(TRAINED), "rows": 0}
        (metric,) = world.status()["metrics"]
        assert (metric["state"], metric["reason"]) == ("Unknown", "WarmingUp")
        assert world.status()["alertState"] == "Unknown"
        await process.stop()

    run(story())


def test_what_was_served_becomes_the_baseline_and_a_later_shift_is_found() -> None:
    async def story() -> None:
        world = prepared(lambda hours: 2.0 if hours < 32 else 3.0)
        process = world.start()
        await world.serve(31)
        assert world.condition("BaselineReady") == ("True", "Loaded")
        learned = world.status()["baseline"]["learned"]
        assert (learned["since"], learned["until"]) == (
            "2027-01-15T08:00:00Z",
            "2027-01-16T08:00:00Z",
        )
        assert world.status()["baseline"]["rows"] == 24 * 2 * ROWS
        assert digest(profile_in_store(world)) == learned["digest"]
        assert world.status()["alertState"] == "OK"  # the ConfigMap's rows would have alarmed
        await world.serve(6)
        assert world.status()["alertState"] == "Critical"
        await process.stop()

    run(story())


def test_a_rolling_baseline_moves_once_a_day_and_takes_a_shift_in() -> None:
    async def story() -> None:
        world = prepared(lambda hours: 2.0 if hours < 32 else 3.0)
        process = world.start()
        digests = []
        for _ in range(4):
            await world.serve(24)
            digests.append(world.status()["baseline"].get("learned", {}).get("digest"))
        assert digests[0] is None
        assert len(set(digests)) == 4
        assert world.status()["baseline"]["digest"] == digest(TRAINED)
        assert "BaselineChanged" not in world.events()
        assert len(stored(world, "baselines")) <= 2
        await world.serve(16)
        assert world.status()["alertState"] == "OK"
        await process.stop()

    run(story())


def test_an_alert_goes_on_while_the_baseline_moves() -> None:
    async def story() -> None:
        production = {"configMap": {"name": "baseline"}, "period": "24h", "offset": "24h"}
        world = prepared(
            lambda hours: 2.0 if hours < 66 else 3.0,
            {"type": "Production", "production": production},
        )
        process = world.start()
        await world.serve(71)
        assert world.status()["alertState"] == "Critical"
        before = world.status()["baseline"]["learned"]["since"]
        await world.serve(3)
        assert world.status()["baseline"]["learned"]["since"] > before
        assert world.status()["alertState"] == "Critical"
        assert world.events().count("AlertFired") == 1
        assert "AlertResolved" not in world.events()
        await process.stop()

    run(story())


def test_hours_that_take_no_pane_any_more_are_in_the_store_and_nowhere_else() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(30)
        hours = [name.rsplit("/", 1)[1].split("-")[0] for name in stored(world, "history")]
        assert hours == [f"{int(BEGIN + HOUR * number):012d}" for number in range(27)]
        await process.stop()

    run(story())


def test_hours_that_cannot_be_read_are_left_out_and_told() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(20)
        first, second, *_ = stored(world, "history")
        world.objects[first] = b"torn"
        del world.objects[second]
        await world.serve(6)
        assert world.status()["baseline"]["rows"] == 22 * 2 * ROWS
        assert message(world).endswith("only 22 of 24 hours of the period had rows")
        await process.stop()

    run(story())


def test_of_two_leaders_that_closed_an_hour_the_later_one_counts() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(20)
        first = stored(world, "history")[0]
        world.objects[first.replace("-0000000001.", "-0000000000.")] = b"of a leader of the past"
        await world.serve(6)
        assert world.status()["baseline"]["rows"] == 24 * 2 * ROWS
        await process.stop()

    run(story())


@pytest.mark.parametrize("damage", [None, b"{}"])
def test_a_profile_that_is_lost_is_made_again(damage: bytes | None) -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(26)
        learned = world.status()["baseline"]["learned"]
        await process.kill()
        (name,) = stored(world, "baselines")
        if damage is None:
            del world.objects[name]
        else:
            world.objects[name] = damage
        process = world.start()
        await world.serve(2)
        assert world.status()["baseline"]["learned"] == learned
        await process.stop()

    run(story())


def test_a_fixed_period_stays_the_baseline() -> None:
    async def story() -> None:
        fixed = {"from": "2027-01-15T10:00:00Z", "to": "2027-01-16T10:00:00Z"}
        production = {"configMap": {"name": "baseline"}, **fixed}
        world = prepared(baseline={"type": "Production", "production": production})
        process = world.start()
        await world.serve(20)
        assert message(world) == "18 h of 24 h have been seen"
        await world.serve(10)
        first = world.status()["baseline"]["learned"]
        await world.serve(40)
        assert world.status()["baseline"]["learned"] == first
        assert first["since"] == fixed["from"]
        await process.stop()

    run(story())


def test_a_fixed_period_that_nobody_recorded_is_refused() -> None:
    async def story() -> None:
        fixed = {"from": "2027-01-10T10:00:00Z", "to": "2027-01-12T10:00:00Z"}
        production = {"configMap": {"name": "baseline"}, **fixed}
        world = prepared(baseline={"type": "Production", "production": production})
        process = world.start()
        await world.serve(3)
        assert world.condition("BaselineReady") == ("False", "PeriodNotRecorded")
        assert world.status()["metrics"][0]["reason"] == "BaselineNotReady"
        await process.stop()

    run(story())


def test_a_profile_with_too_many_cells_is_refused_before_anything_is_kept() -> None:
    async def story() -> None:
        world = prepared()
        wide = TRAINED.columns[0]
        columns = [msgspec.structs.replace(wide, name=f"c{number}") for number in range(400)]
        world.baseline(msgspec.structs.replace(TRAINED, columns=columns))
        process = world.start()
        await world.until(lambda: world.condition("BaselineReady")[1] == "BaselineInvalid")
        assert "8192" in message(world)
        await process.stop()

    run(story())


def test_suspension_keeps_what_was_learned() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(26)
        learned = world.status()["baseline"]["learned"]
        fields = {"interval": "1h", "metrics": [DRIFT], "baseline": ROLLING}
        world.monitor(spec(**fields, suspend=True))
        await world.serve(3)
        world.monitor(spec(**fields))
        await world.serve(3)
        assert world.status()["baseline"]["learned"] == learned
        await process.stop()

    run(story())


def test_a_config_map_that_is_gone_for_a_while_costs_nothing_of_what_was_learned() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(20)
        name = (CONFIG_MAPS, NAMESPACE, "baseline")
        config_map = world.cluster.objects.pop(name)
        await world.serve(3)
        assert world.condition("BaselineReady") == ("False", "BaselineNotFound")
        world.cluster.objects[name] = config_map
        await world.serve(3)
        assert world.condition("BaselineReady") == ("True", "Loaded")
        assert world.status()["baseline"]["learned"]["since"] == "2027-01-15T08:00:00Z"
        await process.stop()

    run(story())


def test_another_profile_begins_anew() -> None:
    async def story() -> None:
        world = prepared()
        process = world.start()
        await world.serve(26)
        assert world.condition("BaselineReady") == ("True", "Loaded")
        world.baseline(msgspec.structs.replace(TRAINED, rows=TRAINED.rows + 1))
        await world.serve(2)
        assert world.condition("BaselineReady") == ("False", "Learning")
        assert world.events().count("BaselineChanged") == 1
        await process.stop()

    run(story())


def test_an_unreachable_store_delays_the_baseline_and_changes_nothing_else() -> None:
    async def story(down: int) -> Any:
        world = prepared()
        process = world.start()
        await world.serve(23)
        process.store.down = True
        await world.serve(down)
        process.store.down = False
        await world.serve(6 - down)
        await process.stop()
        return world.status()["baseline"]["learned"]

    assert run(story(2)) == run(story(0))


async def lived(killer: Killer | None, hours: int) -> tuple[World, list[str]]:
    """Live through some hours with a killer in wait; another controller follows the first."""
    world = prepared(lambda hour: 2.0 + 0.3 * (hour % 24 > 12))
    process: Process = world.start(killer)
    digests = []
    for _ in range(hours):
        await world.serve(1)
        if killer is not None and killer.dead.is_set():
            await process.kill()
            process, killer = world.start(), None
            await asyncio.sleep(30)
        digests.append(str(world.status().get("baseline", {}).get("learned", {}).get("digest")))
    await process.stop()
    return world, digests


LIFE = 50
"""Hours of the stories with a killer: two periods, and two hours."""


@pytest.mark.parametrize("after_effect", [False, True])
def test_the_same_profiles_come_out_wherever_the_controller_is_killed(after_effect: bool) -> None:
    counting = Killer()
    _, wanted = run(lived(counting, LIFE))
    assert len(set(wanted)) == 3  # none yet, and those of two days
    writes = [number for number, call in enumerate(counting.calls, 1) if call in {"put", "delete"}]
    for at in random.Random(11).sample(writes, 4):
        killer = Killer(at, after_effect=after_effect)
        _, found = run(lived(killer, LIFE))
        assert killer.dead.is_set() or call_is_a_delete(counting, at)
        assert set(found) == set(wanted), (at, counting.calls[at - 1])
        assert found[-1] == wanted[-1]


def call_is_a_delete(killer: Killer, at: int) -> bool:
    return killer.calls[at - 1] == "delete"  # which ends nobody after its effect
