"""How long a run takes, and how many of its parts run at once."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final, TypeVar

Job = TypeVar("Job")
Found = TypeVar("Found")

log = logging.getLogger(__name__)

_SAY_EVERY: Final = 20.0
"""Seconds between words about progress."""
_NICE: Final = 10
"""Of simulations, so that the machine can be worked on meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is simulated.

    Attributes
    ----------
    quick
        Only to see that everything works: the figures mean nothing.
    processes
        That run at once.
    null_days
        Simulated days of every null stream; ours.
    null_parts
        Baselines of every null stream; each is watched for a part of the days.
    peer_days
        The same of peers, who need rows.
    months
        Simulated months of the mean time between false alarms, for each null.
    trials
        Of every shift.
    baselines
        Whose phi is looked at, of each size; times 25 columns.
    null_panes
        Of 1-minute panes without any shift, for each number of rows.
    turns
        Of every timed piece of work.
    """

    quick: bool
    processes: int
    null_days: int
    null_parts: int
    peer_days: int
    months: int
    trials: int
    baselines: int
    null_panes: int
    turns: int


def full(processes: int) -> Scale:
    """Return what the bars are about."""
    return Scale(
        quick=False,
        processes=processes,
        null_days=30,
        null_parts=3,
        peer_days=2,
        months=1000,
        trials=200,
        baselines=40,
        null_panes=110_000,
        turns=7,
    )


def quick(processes: int) -> Scale:
    """Return just enough to see that everything runs."""
    return Scale(
        quick=True,
        processes=processes,
        null_days=1,
        null_parts=1,
        peer_days=1,
        months=4,
        trials=10,
        baselines=2,
        null_panes=5_000,
        turns=2,
    )


def in_parallel(
    scale: Scale, work: Callable[[Job], Found], jobs: Sequence[Job], title: str
) -> Iterator[tuple[Job, Found]]:
    """Yield every job with what came of it, as they end, and log how far it is.

    Parameters
    ----------
    scale
        How many run at once.
    work
        A function of a module.
    jobs
        One argument each.
    title
        Of the work, for people.
    """
    began = said = time.monotonic()
    # A forked process would share locks of threads that it does not have.
    with ProcessPoolExecutor(
        scale.processes, mp_context=get_context("spawn"), initializer=_give_way
    ) as pool:
        running = {pool.submit(work, job): job for job in jobs}
        for done, future in enumerate(as_completed(running), start=1):
            yield running[future], future.result()
            if (now := time.monotonic()) - said > _SAY_EVERY or done == len(jobs):
                said = now
                log.info("%s: %d of %d, %.0f s", title, done, len(jobs), now - began)


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
