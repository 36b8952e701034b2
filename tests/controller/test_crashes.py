"""Killed at any moment: one Job, and the verdicts that would have been without it."""

import pytest

from modelmonitor.controller.gateways.api_server import JOBS
from tests.controller.memory import Killer
from tests.controller.virtual import run
from tests.controller.world import RETRAINING, Traffic, World, spec

BREACH_AT = 2
"""Intervals served before the errors begin."""


def finish_job(world: World) -> None:
    (job,) = world.jobs()
    conditions = [{"type": "Complete", "status": "True"}]
    world.cluster.put(JOBS, {**job, "status": {"conditions": conditions}})


async def story(killer: Killer, *, calm_after: bool = False) -> tuple[World, bool]:
    """Go through a breach while `killer` lies in wait; a second controller follows the first.

    With `calm_after` the errors are gone before the second one looks.
    """
    world = World()
    world.deploy()
    world.pod("web-1")
    world.monitor(spec(retraining=RETRAINING))
    quiet = world.start()
    await world.serve(BREACH_AT)
    await quiet.kill()
    world.traffic = lambda _pod, _start: Traffic(errors=300)
    process = world.start(killer)
    await world.serve(2)
    died = killer.dead.is_set()
    await process.kill()
    if calm_after:
        world.traffic = lambda _pod, _start: Traffic()
    successor = world.start()
    await world.serve(2)
    if world.jobs():
        finish_job(world)
    await world.serve(2)
    await successor.stop()
    return world, died


def calls_of_an_undisturbed_controller() -> list[str]:
    async def undisturbed() -> list[str]:
        killer = Killer()
        await story(killer)
        return killer.calls

    return run(undisturbed())


def interesting_steps() -> list[int]:
    """Return the calls around and after the creation of the Job: each write and its neighbours."""
    calls = calls_of_an_undisturbed_controller()
    job = calls.index("create Job") + 1
    return list(range(max(1, job - 12), min(len(calls), job + 12)))


@pytest.mark.parametrize("after_effect", [False, True])
def test_one_job_is_created_whichever_call_is_the_last_of_a_controller(
    after_effect: bool,
) -> None:
    deaths = 0
    for step in interesting_steps():

        async def one(step: int = step) -> tuple[World, bool]:
            return await story(Killer(step, after_effect=after_effect))

        world, died = run(one())
        deaths += died
        assert len(world.jobs_created()) == 1, f"killed at call {step}"
        retraining = world.status()["retraining"]
        assert [each["outcome"] for each in retraining["history"]] == ["Succeeded"]
        assert retraining["episode"]["number"] == 1
    assert deaths >= (6 if after_effect else 20)


def test_a_job_whose_creator_died_is_followed_although_its_cause_is_gone() -> None:
    for step in interesting_steps():

        async def one(step: int = step) -> tuple[World, bool]:
            return await story(Killer(step, after_effect=True), calm_after=True)

        world, _ = run(one())
        history = world.status().get("retraining", {}).get("history", [])
        assert [run["jobName"] for run in history] == world.jobs_created(), f"killed at call {step}"
