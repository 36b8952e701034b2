"""The history of a monitor in the store, and the baseline that is made of it.

Hours that take no pane any more, and the profile in force, are objects beside the journal:

    monitors/<uid>/history/<start>-<term>.msgpack.z
    monitors/<uid>/baselines/<hex of the digest>.json

Hours that still take panes are part of the checkpoint, and in the store only once they are closed:
where an hour is in both, because a process ended between the two writes, the checkpoint's counts,
since the entries after it are judged again. Of two leaders that closed an hour the later one did
so from what it took over. So the same entries lead to the same profile, wherever a process ends.
"""

import asyncio
import logging
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.baseline import MOST_PERIOD, ProductionBaseline, Seasonality
from modelmonitor.api.v1alpha1.conditions import BaselineReason, ConditionType
from modelmonitor.api.v1alpha1.learned import LearnedBaseline
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.api.v1alpha1.status import BaselineStatus, ConditionStatus, LearnedStatus
from modelmonitor.controller.gateways.store import ObjectStore
from modelmonitor.controller.reconcile.baseline import Loaded, Missing, first_cells
from modelmonitor.controller.reconcile.judging import Memory
from modelmonitor.controller.reconcile.state import MonitorState
from modelmonitor.core.acting.status import ConditionDraft
from modelmonitor.core.baseline.comparator import Comparator, Made, of_panes, standing
from modelmonitor.core.baseline.learning import (
    ROUNDS,
    Skeleton,
    next_skeleton,
    rows_of_round,
    schema_of,
    settled,
)
from modelmonitor.core.baseline.production import Period, period_of
from modelmonitor.core.baseline.profile import Profile, canonical, digest
from modelmonitor.core.baseline.relearn import LEAST_ROWS, Relearning, rows_in
from modelmonitor.core.pane.history import (
    HOUR,
    Hour,
    Recording,
    begin,
    begin_naming,
    closed,
    hour_of,
    rows_before,
    without,
)
from modelmonitor.core.times import format_time

logger = logging.getLogger(__name__)

KEPT: Final = MOST_PERIOD + 48 * HOUR
"""Seconds for which hours are kept: the longest period, and the day until it moves on."""
READ_TOGETHER: Final = 16
"""Hours that are read at the same time."""

_HOURS: Final = msgspec.msgpack.Decoder(Hour)
_PROFILES: Final = msgspec.json.Decoder(Profile)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose history it is.

    Attributes
    ----------
    uid
        Of the monitor.
    spec
        Its spec.
    loaded
        The profile by whose cells its panes are counted.
    """

    uid: str
    spec: ModelMonitorSpec
    loaded: Loaded | None


async def prepare(store: ObjectStore, memory: Memory, subject: Subject, now: float) -> None:
    """Bring recording and comparator of a monitor up to the tick that is judged next.

    Parameters
    ----------
    store
        Where hours and profiles are.
    memory
        Changed: its recording, and its comparator where the period has moved on.
    subject
        The monitor.
    now
        Start of that tick, seconds since the epoch.

    Raises
    ------
    TemporaryError
        If the store does not answer; to judge by an older comparator would be a guess.
    """
    baseline, loaded = subject.spec.baseline, subject.loaded
    if loaded is None:
        return  # what was learned is not lost with a ConfigMap that is missing for a while
    if baseline is None or not of_panes(baseline):
        memory.recording = memory.comparator = memory.skeleton = memory.cells = None
    elif baseline.learned is not None:
        await _learn(store, memory, subject, baseline.learned, now)
    elif baseline.production is not None:
        memory.skeleton = memory.cells = None
        await _follow(store, memory, subject, baseline.production, now)


async def _follow(
    store: ObjectStore, memory: Memory, subject: Subject, production: ProductionBaseline, now: float
) -> None:
    """Let the comparator be what the declared period was."""
    loaded = subject.loaded
    if loaded is None:
        return
    if memory.recording is None or memory.recording.digest != loaded.digest:
        memory.recording, memory.comparator = begin(loaded.digest, now), None
    period = period_of(production, memory.recording.began, now)
    if not isinstance(period, Period):
        memory.comparator = None
        return
    wanted = _seasonality(subject.spec)
    known = None if memory.comparator is None else memory.comparator.made
    if known is None or (known.period, known.seasonality) != (period, wanted.value):
        memory.comparator = await _made(store, memory, subject, loaded, period)


def _seasonality(spec: ModelMonitorSpec) -> Seasonality:
    return Seasonality.NONE if spec.baseline is None else spec.baseline.seasonality


async def _learn(
    store: ObjectStore, memory: Memory, subject: Subject, learned: LearnedBaseline, now: float
) -> None:
    """Find cells for a learned baseline, round by round, and then its counts."""
    schema = schema_of(learned)
    if memory.skeleton is None or memory.cells is None or memory.skeleton.schema != schema:
        memory.cells = first_cells(learned)
        memory.skeleton = Skeleton(schema=schema, digest=memory.cells.digest)
        memory.recording = memory.comparator = None
    cells, stage = memory.cells, memory.skeleton.stage
    if memory.recording is None or memory.recording.digest != cells.digest:
        start = begin if stage >= ROUNDS else begin_naming
        memory.recording, memory.comparator = start(cells.digest, now), None
    period = Period(memory.recording.began, hour_of(now))
    if memory.comparator is not None or not _is_enough(learned, memory.recording, stage, period):
        return
    if stage >= ROUNDS:
        found = await _made(store, memory, subject, cells, period, finish=settled)
        memory.comparator = None if found.profile is None else found
        return
    hours = await _hours_of(store, subject.uid, period, memory.recording.hours)
    profile = next_skeleton(learned, cells.profile, cells.digest, hours, stage + 1)
    found_cells = Loaded(profile, digest(profile))
    await store.put(_profile_name(subject.uid, found_cells.digest), canonical(profile))
    start = begin if stage + 1 >= ROUNDS else begin_naming
    memory.cells = found_cells
    memory.skeleton = Skeleton(schema=schema, stage=stage + 1, digest=found_cells.digest)
    memory.recording = start(found_cells.digest, now)


def _is_enough(learned: LearnedBaseline, recording: Recording, stage: int, period: Period) -> bool:
    """Return whether a round of learning is over; whole hours are looked at."""
    rows = rows_before(recording, period.until)
    if stage < ROUNDS:
        return period.hours >= 1 and rows >= rows_of_round(learned)
    long = period.until - period.since >= parse_duration(learned.period)
    return long and rows >= learned.min_rows


async def restore(store: ObjectStore, subject: Subject, memory: Memory, made: Made | None) -> None:
    """Read what the memory of a checkpoint names only.

    Raises
    ------
    TemporaryError
        If the store does not answer.
    """
    memory.comparator = await stored_comparator(store, subject.uid, made)
    baseline = subject.spec.baseline
    if memory.skeleton is None or baseline is None or baseline.learned is None:
        return
    if memory.skeleton.stage == 0:
        memory.cells = first_cells(baseline.learned)
        return
    profile = await _read_profile(store, subject.uid, memory.skeleton.digest)
    if profile is None:
        memory.skeleton = None
        return
    memory.cells = Loaded(profile, memory.skeleton.digest)


async def stored_comparator(store: ObjectStore, uid: str, made: Made | None) -> Comparator | None:
    """Return the comparator of a checkpoint; None if there is none, so that it is made again.

    Raises
    ------
    TemporaryError
        If the store does not answer.
    """
    if made is None or not made.digest:
        return None if made is None else Comparator(made, None)
    profile = await _read_profile(store, uid, made.digest)
    return None if profile is None else Comparator(made, profile)


async def put_away(store: ObjectStore, term: int, state: MonitorState) -> None:
    """Store the hours that are closed, before a checkpoint that holds them no more.

    Raises
    ------
    TemporaryError
        If the store does not answer.
    """
    memory = state.memory
    if memory.recording is None:
        return
    done = closed(memory.recording, memory.judged_until)
    if not done:
        return
    for hour in done:
        await store.put(_hour_name(state.uid, hour, term), _packed(hour))
    memory.recording = without(memory.recording, done)
    names = await store.list(_hours_folder(state.uid))
    oldest = memory.judged_until - KEPT
    await store.delete([name for name in names if _start_of(name) < oldest])


def baseline_in_force(
    planned: Loaded | Missing | None, spec: ModelMonitorSpec, memory: Memory
) -> Loaded | Missing | None:
    """Return the profile by whose cells panes are counted: of a learned baseline, those found."""
    learned = spec.baseline is not None and spec.baseline.learned is not None
    return memory.cells if learned and memory.cells and isinstance(planned, Loaded) else planned


def baseline_draft(subject: Subject, memory: Memory) -> ConditionDraft | None:
    """Return BaselineReady of a baseline that is made of panes, None of any other."""
    baseline = subject.spec.baseline
    if baseline is None or not of_panes(baseline) or subject.loaded is None:
        return None
    found = standing(baseline, memory.progress, memory.judged_until)
    ready = found.reason is BaselineReason.LOADED
    status = ConditionStatus.TRUE if ready else ConditionStatus.FALSE
    return ConditionDraft(ConditionType.BASELINE_READY, status, found.reason, found.message)


def baseline_status(subject: Subject, memory: Memory | None) -> BaselineStatus | None:
    """Return the baseline as the status shows it, None where there is none."""
    baseline, loaded = subject.spec.baseline, subject.loaded
    if loaded is None:
        return None
    if not of_panes(baseline):
        return BaselineStatus(digest=loaded.digest, rows=loaded.profile.rows)
    comparator = None if memory is None else memory.comparator
    if comparator is None or comparator.profile is None:
        # While cells are learned they change; that is no new baseline.
        learning = baseline is not None and baseline.learned is not None
        return None if learning else BaselineStatus(digest=loaded.digest, rows=0)
    made = comparator.made
    return BaselineStatus(
        digest=loaded.digest,
        rows=comparator.profile.rows,
        learned=LearnedStatus(
            digest=made.digest,
            since=format_time(made.period.since),
            until=format_time(made.period.until),
        ),
    )


async def _made(
    store: ObjectStore,
    memory: Memory,
    subject: Subject,
    cells: Loaded,
    period: Period,
    finish: Callable[[Profile], Profile] = lambda profile: profile,
) -> Comparator:
    """Return what a period became; its profile is stored before anything is judged by it."""
    uid, seasonality = subject.uid, _seasonality(subject.spec)
    open_hours = [] if memory.recording is None else memory.recording.hours
    hours = await _hours_of(store, uid, period, open_hours)
    rows = rows_in(cells.digest, hours, period)
    made = Made(period=period, rows=rows, seasonality=seasonality.value)
    if rows < LEAST_ROWS:
        return Comparator(made, None)
    work = Relearning(cells.profile, cells.digest, hours, period, seasonality)
    columns = []
    for column in cells.profile.columns:
        columns.append(work.column(column))
        await asyncio.sleep(0)  # others may run: a column of five weeks takes 10 ms
    profile = finish(work.profile(columns))
    made = msgspec.structs.replace(made, digest=digest(profile))
    name = _profile_name(uid, made.digest)
    older = await store.list(_profiles_folder(uid))
    await store.put(name, canonical(profile))
    last = "" if memory.comparator is None else memory.comparator.made.digest
    # The last one is what the last checkpoint names; learned cells are an object as well.
    kept = {name, _profile_name(uid, last), _profile_name(uid, cells.digest)}
    await store.delete([each for each in older if each not in kept])
    logger.info("the baseline of monitor %s is %s, %d rows of %s", uid, made.digest, rows, period)
    return Comparator(made, profile)


async def _hours_of(
    store: ObjectStore, uid: str, period: Period, open_hours: Iterable[Hour]
) -> Sequence[Hour]:
    """Return the hours of a period; those that still take panes come from the recording."""
    names: dict[float, str] = {}
    for name in await store.list(_hours_folder(uid)):  # of one hour, the last leader's comes last
        if period.since <= _start_of(name) < period.until:
            names[_start_of(name)] = name
    for hour in open_hours:
        names.pop(hour.start, None)
    wanted = list(names.values())
    found: list[Hour] = []
    for first in range(0, len(wanted), READ_TOGETHER):
        part = wanted[first : first + READ_TOGETHER]
        payloads = await asyncio.gather(*(store.get(name) for name in part))
        hours = (_unpacked(*each) for each in zip(part, payloads, strict=True))
        found += [hour for hour in hours if hour is not None]
    return [*found, *open_hours]


def _packed(hour: Hour) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(hour), 1)


def _unpacked(name: str, payload: bytes | None) -> Hour | None:
    if payload is None:
        return None
    try:
        return _HOURS.decode(zlib.decompress(payload))
    except (zlib.error, msgspec.DecodeError) as error:
        logger.warning("hour %s cannot be read and is left out: %s", name, error)
        return None


async def _read_profile(store: ObjectStore, uid: str, name: str) -> Profile | None:
    """Return a stored profile; None if it is gone or cannot be read, so that it is made again."""
    place = _profile_name(uid, name)
    payload = await store.get(place)
    if payload is None:
        logger.warning("%s is gone and made again of the hours that are kept", place)
        return None
    try:
        return _PROFILES.decode(payload)
    except msgspec.DecodeError as error:
        logger.warning("%s cannot be read and is made again: %s", place, error)
        return None


def _hours_folder(uid: str) -> str:
    return f"monitors/{uid}/history"


def _profiles_folder(uid: str) -> str:
    return f"monitors/{uid}/baselines"


def _hour_name(uid: str, hour: Hour, term: int) -> str:
    return f"{_hours_folder(uid)}/{int(hour.start):012d}-{term:010d}.msgpack.z"


def _profile_name(uid: str, name: str) -> str:
    return f"{_profiles_folder(uid)}/{name.removeprefix('sha256:')}.json"


def _start_of(name: str) -> float:
    """Return the start of the hour that an object holds; of another object, the far future."""
    start = name.rsplit("/", 1)[-1].split("-", maxsplit=1)[0]
    return float(start) if start.isdigit() else math.inf
