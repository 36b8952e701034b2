"""A rolling update under load loses no request because of us, in every direction.

Plain → injected → injected → plain at 200 requests/s with one connection per request and, beside
it, 200 requests/s over keep-alive connections. A model that drains closes pooled connections, and a
request that is on its way at that moment is lost with or without us. So rollouts without us are
measured in the same run, and ours must not lose more than they do beyond what chance explains.
"""

import pytest
from scipy.stats import fisher_exact

from tests.e2e.kit import Kube, Model, Room, has, is_injected, monitor_body
from tests.support.load import LoadReport, Traffic, running_load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

RATE = 200.0
MODEL = Model(replicas=3, delay=0.05)
CHANCE = 0.001
"""Probability with which equal rates of loss would be called different."""


def roll(room: Room, url: str) -> tuple[LoadReport, LoadReport]:
    """Return what clients saw during one rolling update: new connections, pooled ones."""
    streams = (Traffic(url, RATE), Traffic(url, RATE, keep_alive=True))
    with running_load(*streams) as (fresh, pooled):
        wait_until("traffic flows", lambda: fresh.answered > RATE and pooled.answered > RATE, 30)
        room.restart("model")
        settled = fresh.answered + 2 * RATE
        wait_until("traffic goes on", lambda: fresh.answered > settled, 30)
    return fresh, pooled


def injected(room: Room) -> list[bool]:
    return [is_injected(pod) for pod in room.pods()]


def test_rolling_updates_under_load_fail_no_request(room: Room, kube: Kube) -> None:
    room.deploy(MODEL)
    url = room.url("model", "/predict")
    seen: dict[str, tuple[LoadReport, LoadReport]] = {}

    for number in ("first", "second", "third"):
        seen[f"plain → plain, {number}"] = roll(room, url)
    assert not any(injected(room))

    kube.apply(monitor_body(room.name))
    room.wait_for("Ready", has("Ready", "True"))
    seen["plain → injected"] = roll(room, url)
    assert injected(room) == [True, True, True]
    seen["injected → injected"] = roll(room, url)
    assert injected(room) == [True, True, True]

    kube("delete", "modelmonitor", "monitor", "-n", room.name)
    seen["injected → plain"] = roll(room, url)
    assert not any(injected(room))

    for direction, (fresh, pooled) in seen.items():
        print(f"{direction:22} new connections: {fresh}; keep-alive: {pooled}")
    with_us = [pair for direction, pair in seen.items() if "injected" in direction]
    without = [pair for direction, pair in seen.items() if "injected" not in direction]
    assert [fresh.failed for fresh, _ in with_us] == [0, 0, 0]
    ours, theirs = lost([pooled for _, pooled in with_us]), lost([pooled for _, pooled in without])
    print(f"keep-alive, (failed, answered): {ours} with us, {theirs} without")
    assert fisher_exact([ours, theirs], alternative="greater").pvalue > CHANCE


def lost(reports: list[LoadReport]) -> tuple[int, int]:
    """Return how many requests failed, and how many did not."""
    failed = sum(report.failed for report in reports)
    return failed, sum(report.sent for report in reports) - failed
