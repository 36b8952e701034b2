"""What drift detectors remember, and what one tick does to it.

When a column alarms, the sides that speak are marked, and of each a *calm* sum is kept: a CUSUM of
the likelihood ratio of a share that is safely within what is tolerated against one at its edge.
Where all marked sides have reached the level, the shift is over, and the column's evidence starts
afresh, as after any alarm that has been dealt with; otherwise the evidence of a long shift would
take as long to be outweighed. At the edge and beyond it the sums fall: an alert does not end while
its shift is there, nor does it come and go where evidence does so by chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.drift.drift_bank import Bank
from modelmonitor.core.drift.drift_counts import Seen
from modelmonitor.core.drift.drift_plan import REPLICAS, DriftPlan, Standard
from modelmonitor.core.drift.evidence import MetricEvidence, pack, unpack
from modelmonitor.core.drift.replicas import chosen
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.statistics.edetector import (
    Bets,
    State,
    advance,
    by_group,
    draws,
    gain_of,
    nothing_seen,
    place_of,
)
from modelmonitor.core.statistics.shares import Floats

CALM: Final = float(np.log(100.0))
"""Sum from which a side is calm. At the edge of what is tolerated it gets there at most once in
100 ticks on average (Lorden 1971)."""
SAFE_PART: Final = 0.5
"""What "safely within" means: this part of the way from the baseline's share to the edge."""
CALM_STEPS: Final = 32
"""Steps of a nat in which calm sums are kept, up to 7.9."""
SPEAKING: Final = 0.5
"""Part of the alarm's level with which one bank's evidence makes its sides marked: of the two that
may share a column's evidence, at least one has so much when the column alarms."""
FEWEST: Final = 2
"""Replicas with fewer of which none is looked at on its own: all rows say the same."""
ABSENT_TICKS: Final = 3
"""Ticks without rows after which a replica is forgotten."""
_COLUMNS: Final = "columns"
_POD: Final = "pod/"

Sums = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Kept:
    """What one bank remembers of one stream of rows.

    Attributes
    ----------
    state
        Levels of evidence, shape `(n_sides, n_gains)`.
    calm
        Sums of marked sides, in steps and one more; 0: not marked. Shape `(n_sides,)`.
    absent
        Ticks since there were rows; of replicas only.
    """

    state: State
    calm: Sums
    absent: int = 0


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the detectors of a Drift metric remember.

    Attributes
    ----------
    columns
        Of all rows.
    replicas
        Pod UID → of its rows; at most `REPLICAS`.
    """

    columns: Kept
    replicas: Mapping[str, Kept]


def begin(plan: DriftPlan) -> DriftState:
    """Return the state before the first tick."""
    return DriftState(_nothing(plan.bank), {})


def step(
    plan: DriftPlan,
    state: DriftState,
    now: Seen,
    replicas: Mapping[str, Seen],
    start: float,
    interval: float,
) -> DriftState:
    """Return the state after one tick.

    Parameters
    ----------
    plan
        The metric's plan.
    state
        Before.
    now
        All rows of the tick.
    replicas
        Pod UID → its rows; of fewer than two nothing is learned that all rows do not say.
    start, interval
        Of the tick, in seconds.
    """
    standard = plan.at(start)
    place = place_of(round(start / interval))
    columns = _stepped(plan, plan.bank, standard, [state.columns], [now], place)[0]
    each = _replicas(plan, state.replicas, replicas, standard, start, place)
    return DriftState(columns, each)


def evidence_of(plan: DriftPlan, state: DriftState) -> dict[Level, Floats]:
    """Return the evidence of each column by severity, shape `(n_columns,)`; at most 1 is none."""
    found = of_columns(plan, state)
    for one in of_replicas(plan, state).values():
        found = {level: found[level] + one[level] for level in found}
    return found


def of_columns(plan: DriftPlan, state: DriftState) -> dict[Level, Floats]:
    """Return the part of the evidence that all rows together make."""
    return plan.bank.by_level(by_group(state.columns.state, plan.bank.places))


def of_replicas(plan: DriftPlan, state: DriftState) -> dict[str, dict[Level, Floats]]:
    """Return the part of the evidence that each replica makes, by pod UID."""
    bank = plan.replica_bank
    return {
        uid: bank.by_level(by_group(kept.state, bank.places))
        for uid, kept in state.replicas.items()
    }


def discounted(plan: DriftPlan, state: DriftState, part: Floats) -> DriftState:
    """Return the state with only a part of each column's evidence, in logarithms.

    Parameters
    ----------
    plan
        The metric's plan.
    state
        Before.
    part
        At most 1 counts, shape `(n_columns,)`.
    """

    def less(bank: Bank, kept: Kept) -> Kept:
        parts = np.minimum(part, 1.0)[bank.places.owner][:, None]
        return Kept((kept.state * parts).astype(np.uint8), kept.calm, kept.absent)

    replicas = {uid: less(plan.replica_bank, kept) for uid, kept in state.replicas.items()}
    return DriftState(less(plan.bank, state.columns), replicas)


def settled(state: DriftState) -> bool:
    """Return whether no shift that alarmed is still waiting to be seen over."""
    each = (state.columns, *state.replicas.values())
    return not any(kept.calm.any() for kept in each)


def to_bytes(state: DriftState) -> dict[str, bytes]:
    """Return the state as it is stored."""
    found = {_POD + uid: _packed(kept) for uid, kept in state.replicas.items()}
    return {_COLUMNS: _packed(state.columns), **found}


def from_bytes(plan: DriftPlan, evidence: MetricEvidence) -> DriftState:
    """Return the state that was stored; what does not fit the plan is forgotten."""
    stored = evidence.states
    columns = _unpacked(plan.bank, stored.get(_COLUMNS, b""))
    replicas: dict[str, Kept] = {}
    for name, payload in sorted(stored.items()):
        kept = _unpacked(plan.replica_bank, payload)
        if name.startswith(_POD) and kept is not None and len(replicas) < REPLICAS:
            replicas[name.removeprefix(_POD)] = kept
    return DriftState(columns or _nothing(plan.bank), replicas)


def _replicas(
    plan: DriftPlan,
    before: Mapping[str, Kept],
    seen: Mapping[str, Seen],
    standard: Standard,
    start: float,
    place: int,
) -> dict[str, Kept]:
    """Return what is remembered of replicas after a tick."""
    bank = plan.replica_bank
    if len(seen) < FEWEST or not bank.places.size:
        seen = {}
    suspicious = {uid for uid, kept in before.items() if (kept.state >= bank.loud).any()}
    # One that is late for once is not forgotten; one that is gone is, with all it did.
    late = {uid for uid, kept in before.items() if uid not in seen and kept.absent < ABSENT_TICKS}
    watched = chosen(seen, suspicious, start, REPLICAS - len(late & suspicious))
    after = {}
    if watched:
        fresh = _nothing(bank)
        kept = [before.get(uid, fresh) for uid in watched]
        rows = [seen[uid] for uid in watched]
        stepped = _stepped(plan, bank, standard, kept, rows, place)
        after = dict(zip(watched, stepped, strict=True))
    for uid in sorted(late, key=lambda uid: (uid not in suspicious, uid)):
        if len(after) < REPLICAS:
            known = before[uid]
            after[uid] = Kept(known.state, known.calm, known.absent + 1)
    return after


def _stepped(
    plan: DriftPlan,
    bank: Bank,
    standard: Standard,
    before: list[Kept],
    seen: list[Seen],
    place: int,
) -> list[Kept]:
    """Return what is remembered of several streams after a tick."""
    places = bank.places
    owner = places.owner
    bets = standard.bets if bank is plan.bank else standard.replica_bets
    values = np.stack([each.values for each in seen])
    rows = values[:, owner]
    hits = np.stack([each.hits for each in seen])[:, places.share]
    hits = np.where(places.upward, hits, rows - hits)
    worth = worth_of_rows(plan, standard.phi, values)[:, owner]
    if bank.enveloping.any():
        worth = np.where(bank.enveloping, plan.worth[owner], worth)
    state = np.stack([each.state for each in before])
    gain = gain_of(bets, hits, rows, worth)
    state = advance(state, gain, bets.live & (rows > 0), bank.ceiling, place)
    calm = np.stack([each.calm for each in before])
    if calm.any() or (state >= bank.loud).any():
        calm = _marked(plan, bank, state, calm)
        back = np.where(bets.live, _back(plan, bank, standard, bets, hits, rows), 0.0)
        state, calm = _calmed(bank, len(plan.columns), state, _summed(calm, back, place))
    return [Kept(one, sums) for one, sums in zip(state, calm, strict=True)]


def worth_of_rows(plan: DriftPlan, phi: Floats, values: Floats) -> Floats:
    """Return how many rows are worth an independent one, by column, at a tick's rate of rows.

    phi was measured at the baseline's rate. Rows of one caller or batch are as many in denser
    traffic; of what wanders over time more rows tell of the same moment, so that what long blocks
    show beyond neighbouring ones grows with the rate.
    """
    if plan.pace <= 0:
        return np.broadcast_to(phi, values.shape)
    denser = np.maximum(1.0, values / plan.interval / plan.pace)
    within = np.minimum(plan.worth, phi)
    found: Floats = np.maximum(within + (phi - within) * denser, plan.learned)
    return found


def _marked(plan: DriftPlan, bank: Bank, state: State, calm: Sums) -> Sums:
    """Return the calm sums with new marks on the sides that speak where a column alarms."""
    found = bank.by_level(by_group(state, bank.places))
    alarmed = np.zeros((len(state), len(plan.columns)), bool)
    for level, evidence in found.items():
        alarmed |= evidence >= SPEAKING * plan.alarm[level]
    speaking = (state >= bank.loud).any(axis=-1) & alarmed[:, bank.places.owner]
    return np.where(speaking & (calm == 0), np.uint8(1), calm)


def _back(
    plan: DriftPlan, bank: Bank, standard: Standard, bets: Bets, hits: Floats, rows: Floats
) -> Floats:
    """Return how much more likely a share safely within the null makes a tick than one at its edge.

    Rows are worth what they are within a pane: evidence that is given up costs no false alarm.

    Returns
    -------
    NDArray
        Logarithms, shape `(…, n_sides)`.
    """
    worth = plan.worth[bank.places.owner]
    base = np.clip(bank.places.toward(standard.base), bank.least, bets.null)
    safe = base + SAFE_PART * (bets.null - base)
    c, n = hits / worth, rows / worth
    found: Floats = c * np.log(safe / bets.null)
    found += (n - c) * (np.log1p(-safe) - np.log1p(-bets.null))
    return found


def _summed(calm: Sums, back: Floats, place: int) -> Sums:
    """Return the calm sums after one tick; what is less than a step counts as often as it is."""
    sums = calm.astype(np.float64) - 1 + CALM_STEPS * back
    drawn = draws(sums.size)[place : place + sums.size].reshape(sums.shape)
    after = np.floor(np.clip(sums, 0.0, 253.0) + drawn) + 1
    return np.where(calm > 0, after, 0).astype(np.uint8)


def _calmed(bank: Bank, columns: int, state: State, calm: Sums) -> tuple[State, Sums]:
    """Return states and calm sums without those of columns whose marked sides are all calm."""
    owner, marked = bank.places.owner, calm > 0
    waiting = marked & (calm < 1 + CALM_STEPS * CALM)
    over = np.zeros((len(state), columns), bool)
    for number in np.flatnonzero(marked.any(axis=1)).tolist():
        some = np.bincount(owner[marked[number]], minlength=columns) > 0
        over[number] = some & (np.bincount(owner[waiting[number]], minlength=columns) == 0)
    gone = over[:, owner]
    cleared: State = np.where(gone[..., None], np.uint8(0), state)
    return cleared, np.where(gone, np.uint8(0), calm)


def _nothing(bank: Bank) -> Kept:
    places = bank.places
    return Kept(nothing_seen(places, bank.ahead.shape[1]), np.zeros(places.size, np.uint8))


def _packed(kept: Kept) -> bytes:
    return pack(bytes([kept.absent]) + kept.calm.tobytes() + kept.state.tobytes())


def _unpacked(bank: Bank, payload: bytes) -> Kept | None:
    sides, gains = bank.ahead.shape
    plain = unpack(payload, 1 + sides + sides * gains)
    if plain is None:
        return None
    calm = np.frombuffer(plain, np.uint8, sides, 1)
    state = np.frombuffer(plain, np.uint8, offset=1 + sides)
    return Kept(state.reshape(sides, gains), calm, plain[0])
