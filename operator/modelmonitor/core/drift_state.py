"""What drift detectors remember, and what one tick does to it.

Beside the evidence itself a *calm* sum is kept of each column whose evidence is notable: a CUSUM of
the likelihood ratio of "the share is the baseline's" against "the share is what the evidence speaks
of". Where it reaches its level the shift is over, and the column's evidence starts afresh, as after
any alarm that has been dealt with; otherwise the evidence of a long shift would take as long to be
outweighed. A bet whose evidence still grows has a truth nearer to its alternative than half way
from the null, so that the sum falls: an alert cannot end while its shift is still there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.drift_bank import Bank
from modelmonitor.core.drift_counts import Seen
from modelmonitor.core.drift_plan import REPLICAS, DriftPlan, Standard
from modelmonitor.core.evidence import MetricEvidence, pack, unpack
from modelmonitor.core.replicas import chosen
from modelmonitor.core.statistics.edetector import (
    Bets,
    State,
    advance,
    by_group,
    gain_of,
    nothing_seen,
    place_of,
)
from modelmonitor.core.statistics.shares import Floats
from modelmonitor.core.verdict import Level

CALM: Final = float(np.log(100.0))
"""Sum from which a shift is over. While it is as large as its evidence says, the sum gets there at
most once in 100 ticks on average (Lorden 1971), and the alert goes on for the size of the shift."""
FEWEST: Final = 2
"""Replicas with fewer of which none is looked at on its own: all rows say the same."""
ABSENT_TICKS: Final = 3
"""Ticks without rows after which a replica is forgotten."""
_COLUMNS: Final = "columns"
_POD: Final = "pod/"

Sums = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Kept:
    """What one bank remembers of one stream of rows.

    Attributes
    ----------
    state
        Levels of evidence, shape `(n_sides, n_gains)`.
    calm
        Sums, shape `(n_columns,)`.
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
    return DriftState(_nothing(plan.bank, len(plan.columns)), {})


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


def to_bytes(state: DriftState) -> dict[str, bytes]:
    """Return the state as it is stored."""
    found = {_POD + uid: _packed(kept) for uid, kept in state.replicas.items()}
    return {_COLUMNS: _packed(state.columns), **found}


def from_bytes(plan: DriftPlan, evidence: MetricEvidence) -> DriftState:
    """Return the state that was stored; what does not fit the plan is forgotten."""
    stored = evidence.states
    columns = _unpacked(plan.bank, len(plan.columns), stored.get(_COLUMNS, b""))
    replicas: dict[str, Kept] = {}
    for name, payload in sorted(stored.items()):
        kept = _unpacked(plan.replica_bank, len(plan.columns), payload)
        if name.startswith(_POD) and kept is not None and len(replicas) < REPLICAS:
            replicas[name.removeprefix(_POD)] = kept
    return DriftState(columns or _nothing(plan.bank, len(plan.columns)), replicas)


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
        fresh = _nothing(bank, len(plan.columns))
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
    worth = _worth(plan, standard.phi, values)[:, owner]
    if bank.enveloping.any():
        worth = np.where(bank.enveloping, plan.worth[owner], worth)
    state = np.stack([each.state for each in before])
    gain = gain_of(bets, hits, rows, worth)
    state = advance(state, gain, bets.live & (rows > 0), bank.ceiling, place)
    speaking = state >= bank.loud
    if not speaking.any():
        silent = np.zeros(len(plan.columns), np.float16)
        return [Kept(one, silent) for one in state]
    back = _back(plan, bank, standard, bets, hits, rows)
    calm = np.stack([each.calm for each in before])
    state, calm = _calmed(bank, state, calm, np.where(speaking, back, np.inf))
    return [Kept(one, sums) for one, sums in zip(state, calm, strict=True)]


def _worth(plan: DriftPlan, phi: Floats, values: Floats) -> Floats:
    """Return how many rows are worth an independent one, by column, at a tick's rate of rows.

    phi was measured over long blocks at the baseline's rate: where traffic is denser, more rows
    tell of the same moment.
    """
    if plan.pace <= 0:
        return np.broadcast_to(phi, values.shape)
    denser = np.maximum(1.0, values / plan.interval / plan.pace)
    found: Floats = 1 + (phi - 1) * denser
    return found


def _back(
    plan: DriftPlan, bank: Bank, standard: Standard, bets: Bets, hits: Floats, rows: Floats
) -> Floats:
    """Return how much more likely the baseline's share makes a tick than each bet's alternative.

    Rows are worth what they are within a pane: evidence that is given up costs no false alarm.

    Returns
    -------
    NDArray
        Logarithms, shape `(…, n_sides, n_gains)`.
    """
    worth = plan.worth[bank.places.owner]
    base = np.clip(bank.places.toward(standard.base), bank.least, bets.null)[:, None]
    c, n = (hits / worth)[..., None], (rows / worth)[..., None]
    found: Floats = c * np.log(base / bets.goal)
    found += (n - c) * (np.log1p(-base) - np.log1p(-bets.goal))
    return found


def _calmed(bank: Bank, state: State, calm: Sums, back: Floats) -> tuple[State, Sums]:
    """Return states without the evidence of columns whose shift is over, and the calm sums.

    Parameters
    ----------
    bank
        Of the states.
    state, calm
        Shapes `(n_streams, n_sides, n_gains)` and `(n_streams, n_columns)`.
    back
        As of `_back`, infinite for bets that do not speak. Of a column the least counts.
    """
    owner = bank.places.owner
    least = np.full(calm.shape, np.inf)
    for number, one in enumerate(back.min(axis=-1)):
        np.minimum.at(least[number], owner, one)
    speaking = np.isfinite(least)
    sums = np.where(speaking, np.clip(calm + np.where(speaking, least, 0.0), 0.0, 100.0), 0.0)
    over = sums >= CALM
    cleared: State = np.where(over[:, owner][..., None], np.uint8(0), state)
    return cleared, np.where(over, 0.0, sums).astype(np.float16)


def _nothing(bank: Bank, columns: int) -> Kept:
    return Kept(nothing_seen(bank.places, bank.ahead.shape[1]), np.zeros(columns, np.float16))


def _packed(kept: Kept) -> bytes:
    head = bytes([kept.absent]) + kept.calm.astype("<f2").tobytes()
    return pack(head + kept.state.tobytes())


def _unpacked(bank: Bank, columns: int, payload: bytes) -> Kept | None:
    shape = (bank.places.size, bank.ahead.shape[1])
    plain = unpack(payload, 1 + 2 * columns + shape[0] * shape[1])
    if plain is None:
        return None
    calm = np.frombuffer(plain, "<f2", columns, 1).astype(np.float16)
    state = np.frombuffer(plain, np.uint8, offset=1 + 2 * columns).reshape(shape)
    return Kept(state, np.where(np.isfinite(calm), calm, np.float16(0)), plain[0])
