"""Carrying out retraining: adoption by owner, refusals, outcomes, modes, and edits in between."""

import asyncio
from typing import Any

from modelmonitor.controller.gateways.api_server import JOBS, MONITORS
from modelmonitor.controller.gateways.errors import PermanentError, TemporaryError
from modelmonitor.core.acting.retraining import job_name
from modelmonitor.core.acting.retraining_job import EVIDENCE_ANNOTATION
from tests.controller.virtual import run
from tests.controller.world import NAMESPACE, RETRAINING, Process, Traffic, World, key, spec


async def before_the_breach(**changes: Any) -> tuple[World, Process]:
    world = World()
    world.deploy()
    world.pod("web-1")
    world.monitor(spec(**{"retraining": RETRAINING, **changes}))
    process = world.start()
    await world.serve(2)
    world.traffic = lambda _pod, _start: Traffic(errors=300)
    return world, process


def first_job(world: World) -> str:
    uid = world.cluster.objects[MONITORS, NAMESPACE, "m"]["metadata"]["uid"]
    return job_name("m", uid, 1)


def end_job(world: World, kind: str, message: str = "") -> None:
    (job,) = world.jobs()
    condition = {"type": kind, "status": "True", "message": message}
    world.cluster.put(JOBS, {**job, "status": {"conditions": [condition]}})


def test_the_job_carries_owner_and_evidence_and_comes_within_five_seconds() -> None:
    async def story() -> None:
        world, process = await before_the_breach()
        serving = asyncio.create_task(world.serve(1))
        await world.until(lambda: world.status()["alertState"] == "Critical", 120)
        fired = world.clock.now()
        await world.until(lambda: bool(world.jobs()), 5)
        assert world.clock.now() - fired <= 5
        (job,) = world.jobs()
        assert job["metadata"]["name"] == first_job(world)
        assert job["metadata"]["ownerReferences"][0]["name"] == "m"
        template = job["spec"]["template"]
        assert '"episode": 1' in template["metadata"]["annotations"][EVIDENCE_ANNOTATION]
        environment = {
            each["name"]: each["value"] for each in template["spec"]["containers"][0]["env"]
        }
        assert environment["MM_METRICS"] == "errors"
        assert environment["MM_REVISION"] == "r1"
        await serving
        await process.stop()

    run(story())


def test_a_finished_job_is_written_into_the_history_and_told() -> None:
    async def story() -> None:
        world, process = await before_the_breach()
        await world.serve(1)
        end_job(world, "Failed", "BackoffLimitExceeded")
        process.application.queue.add(key())  # as the watch of Jobs does
        await world.until(lambda: bool(world.status()["retraining"].get("history")), 5)
        (finished,) = world.status()["retraining"]["history"]
        assert (finished["outcome"], finished["message"]) == ("Failed", "BackoffLimitExceeded")
        assert "RetrainingFailed" in world.events()
        await world.serve(5)
        assert len(world.jobs_created()) == 1  # the cooldown holds
        assert world.condition("RetrainingActive") == ("False", "CoolingDown")
        await process.stop()

    run(story())


def test_a_job_of_that_name_which_is_not_ours_is_left_alone_and_told() -> None:
    async def story() -> None:
        world, process = await before_the_breach()
        world.cluster.put(JOBS, {"metadata": {"name": first_job(world), "namespace": NAMESPACE}})
        await world.serve(1)
        assert world.jobs_created() == []
        assert world.condition("RetrainingActive") == ("False", "JobNameTaken")
        (foreign,) = world.jobs()
        assert "ownerReferences" not in foreign["metadata"]
        await process.stop()

    run(story())


def test_a_refused_job_is_told_once_and_tried_again() -> None:
    async def story() -> None:
        world, process = await before_the_breach()
        process.api.refuse[first_job(world)] = PermanentError("admission webhook denied it")
        await world.serve(3)
        assert world.condition("RetrainingActive") == ("False", "JobRefused")
        assert world.events().count("RetrainingRefused") == 1
        process.api.refuse.clear()
        await world.serve(1)
        assert world.jobs_created() == [first_job(world)]
        assert world.condition("RetrainingActive") == ("True", "JobRunning")
        await process.stop()

    run(story())


def test_a_full_quota_is_waited_out() -> None:
    async def story() -> None:
        world, process = await before_the_breach()
        process.api.refuse[first_job(world)] = TemporaryError("exceeded quota")
        await world.serve(2)
        assert world.status()["retraining"]["episode"]["phase"] == "Opened"
        process.api.refuse.clear()
        await world.until(lambda: world.jobs_created() == [first_job(world)], 61)
        await process.stop()

    run(story())


def test_observe_mode_judges_and_starts_nothing() -> None:
    async def story() -> None:
        world, process = await before_the_breach(mode="Observe")
        await world.serve(3)
        assert world.status()["alertState"] == "Critical"
        assert world.jobs_created() == []
        assert world.condition("RetrainingActive") == ("False", "ObserveMode")
        await process.stop()

    run(story())


def test_an_edit_between_reading_and_writing_makes_the_pass_decide_again() -> None:
    async def story() -> None:
        world, process = await before_the_breach()

        async def keep_editing() -> None:
            for number in range(200):
                body = world.cluster.objects[MONITORS, NAMESPACE, "m"]
                annotations = {"note": str(number)}
                metadata = {**body["metadata"], "annotations": annotations}
                world.cluster.put(MONITORS, {**body, "metadata": metadata})
                await asyncio.sleep(0.5)

        editing = asyncio.create_task(keep_editing())
        await world.serve(2)
        await editing
        assert world.jobs_created() == [first_job(world)]
        assert world.status()["retraining"]["episode"]["number"] == 1
        await process.stop()

    run(story())


def test_two_controllers_at_once_still_make_one_job() -> None:
    async def story() -> None:
        world, process = await before_the_breach()
        other = world.start()  # a leader of the past that does not know it
        await world.serve(3)
        assert world.jobs_created() == [first_job(world)]
        for each in (process, other):
            await each.stop()

    run(story())
