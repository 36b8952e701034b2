"""Judging ticks: panes and facts in, verdicts and alert records out; the same again after a replay.

Nothing here asks or writes anything. What a tick is judged by (`TickFacts` and the panes that had
arrived) is stored before it is judged, so that a controller that comes after can judge it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.controller.reconcile.baseline import Loaded
from modelmonitor.controller.reconcile.inbox import Boot
from modelmonitor.controller.reconcile.journal import Entry
from modelmonitor.controller.reconcile.revision import RevisionChoice
from modelmonitor.core.acting.alert import AlertRecord, advance
from modelmonitor.core.baseline.comparator import Comparator, Made, Progress, of_panes, standing
from modelmonitor.core.baseline.learning import Skeleton
from modelmonitor.core.drift.evidence import NO_EVIDENCE, Evidence
from modelmonitor.core.judging.evaluation import NO_BASELINE, Evaluation, evaluate, lookback
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.pane.history import Recording, with_late_pane, with_tick
from modelmonitor.core.pane.panes import without_details
from modelmonitor.core.wire.pane import Pane


class TickFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known beside the panes when a tick was judged."""

    start: float
    """Seconds since the epoch, a multiple of `interval`."""
    interval: float
    expected: int
    """Ready pods of the target; 0 while none of them carries a collector."""
    answered: int
    """Of these, the ones whose collectors delivered a pane of the tick."""
    replicas_wanted: int | None
    choice: RevisionChoice

    @property
    def end(self) -> float:
        """Seconds since the epoch."""
        return self.start + self.interval


class Judged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What judging has led to: the content of a checkpoint."""

    interval: float
    judged_until: float
    choice: RevisionChoice = RevisionChoice()
    applied: dict[str, Boot] = {}
    records: list[AlertRecord] = []
    verdicts: list[Verdict] = []
    evidence: Evidence = NO_EVIDENCE
    coverage: float | None = None
    recording: Recording | None = None
    made: Made | None = None
    """What the comparator was made of; its profile is an object of its own."""
    skeleton: Skeleton | None = None
    """Which cells were found for a learned baseline; their profile is an object of its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One metric's step at one tick."""

    metric: Metric
    verdict_before: Verdict | None
    record_before: AlertRecord | None
    verdict: Verdict
    record: AlertRecord


@dataclass
class Memory:
    """What one monitor's next judgement depends on."""

    interval: float
    judged_until: float
    """End of the last judged tick, seconds since the epoch."""
    choice: RevisionChoice = field(default_factory=RevisionChoice)
    records: dict[str, AlertRecord] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    evidence: Evidence = NO_EVIDENCE
    ticks: list[Tick] = field(default_factory=list)
    """Judged ticks that windows may need, oldest first."""
    early: dict[float, list[Pane]] = field(default_factory=dict)
    """Start → panes of ticks that are not judged yet."""
    coverage: float | None = None
    """Share of the last tick's traffic that was observed and decoded; None before the first."""
    late: int = 0
    """Panes that came after their tick was judged."""
    recording: Recording | None = None
    """What is kept of rows, hour by hour; None where the baseline is not made of panes."""
    comparator: Comparator | None = None
    """What the last period of panes became; None where none is over."""
    skeleton: Skeleton | None = None
    """Which cells were found for a learned baseline; None of any other."""
    cells: Loaded | None = None
    """Their profile; None where the plan has the profile by whose cells panes are counted."""

    @property
    def taking(self) -> Recording | None:
        """The recording that rows still enter; None once a learned baseline is there."""
        done = self.cells is not None and self.comparator is not None
        return None if done else self.recording

    @property
    def progress(self) -> Progress:
        """How far learning from panes is."""
        return Progress(self.recording, self.comparator, self.skeleton)

    def to_checkpoint(self, applied: dict[str, Boot]) -> Judged:
        """Return what has to outlive the process; ticks and early panes are in the journal."""
        return Judged(
            interval=self.interval,
            judged_until=self.judged_until,
            choice=self.choice,
            applied=applied,
            records=list(self.records.values()),
            verdicts=list(self.verdicts.values()),
            evidence=self.evidence,
            coverage=self.coverage,
            recording=self.recording,
            made=None if self.comparator is None else self.comparator.made,
            skeleton=self.skeleton,
        )


def on_grid(time: float, interval: float) -> float:
    """Return the multiple of an interval that a time is meant to be.

    Intervals such as 5.1 s have no exact multiples; equal ticks must have equal starts all the
    same, whoever computed them.
    """
    return round(time / interval) * interval


def fresh(interval: float, now: float) -> Memory:
    """Return the memory of a monitor that is seen for the first time; the present tick is first."""
    return Memory(interval=interval, judged_until=int(now / interval) * interval)


def afresh(memory: Memory, interval: float, now: float) -> Memory:
    """Return the memory of a monitor that is to be judged anew; what panes taught it is kept."""
    return replace(fresh(interval, now), recording=memory.recording, comparator=memory.comparator)


def restored(judged: Judged, entries: Iterable[Entry[TickFacts]]) -> Memory:
    """Return the memory of a checkpoint, its windows filled from the entries before it."""
    memory = Memory(
        interval=judged.interval,
        judged_until=judged.judged_until,
        choice=judged.choice,
        records={record.metric: record for record in judged.records},
        verdicts={verdict.metric: verdict for verdict in judged.verdicts},
        evidence=judged.evidence,
        coverage=judged.coverage,
        recording=judged.recording,
        skeleton=judged.skeleton,
    )
    panes: dict[float, list[Pane]] = {}
    facts: dict[float, TickFacts] = {}
    for entry in entries:
        for pane in entry.panes:
            start = on_grid(pane.start, judged.interval)
            panes.setdefault(start, []).append(_without_sketches(pane))
        if entry.facts is not None and entry.facts.interval == judged.interval:
            facts[entry.facts.start] = entry.facts
    memory.ticks = [
        _tick(facts[start], [_lean(pane) for pane in panes.get(start, [])])
        for start in sorted(facts)
    ]
    memory.early = {start: each for start, each in panes.items() if start >= judged.judged_until}
    return memory


def due_ticks(memory: Memory, until: float, most: float) -> list[float]:
    """Return the starts of the ticks that are to be judged now, oldest first.

    Parameters
    ----------
    memory
        What was judged so far.
    until
        Ticks that end by this time are due, seconds since the epoch.
    most
        Ticks that ended longer ago than this are given up, in seconds before `until`.
    """
    interval = memory.interval
    last = int(until / interval + 1e-9)  # a scheduler is as exact as floats are
    first = max(round(memory.judged_until / interval), int((until - most) / interval))
    return [number * interval for number in range(first, last)]


def take_in(memory: Memory, panes: Iterable[Pane], loaded: Loaded | None = None) -> None:
    """Let panes enter: into windows where their tick is judged already, else into its verdict.

    Parameters
    ----------
    memory
        Changed.
    panes
        In the order in which they came.
    loaded
        The profile by whose cells panes are counted, for what is recorded of late ones.
    """
    loaded = memory.cells or loaded
    for full in panes:
        if full.interval != memory.interval:
            continue  # the interval was changed; counted by another clock
        pane, start = _without_sketches(full), on_grid(full.start, memory.interval)
        if start >= memory.judged_until:
            memory.early.setdefault(start, []).append(pane)
            continue
        memory.late += 1
        if memory.taking is not None and loaded is not None:
            memory.recording = with_late_pane(
                memory.taking,
                loaded.profile,
                pane,
                revision=memory.choice.judged,
                judged_until=memory.judged_until,
            )
        for position, tick in enumerate(memory.ticks):
            if tick.start == start:
                memory.ticks[position] = replace(tick, panes=(*tick.panes, _lean(pane)))


def judge(
    memory: Memory, spec: ModelMonitorSpec, loaded: Loaded | None, facts: TickFacts
) -> list[Step]:
    """Judge one tick by the panes that entered before; return each metric's step.

    Parameters
    ----------
    memory
        Changed: it has judged one more tick afterwards.
    spec
        The monitor's spec.
    loaded
        The profile by whose cells panes are counted, and the baseline in force unless that is made
        of panes.
    facts
        The tick; not before `memory.judged_until`.
    """
    loaded = memory.cells or loaded
    panes = memory.early.pop(facts.start, [])
    memory.ticks.append(_tick(facts, [_lean(pane) for pane in panes]))
    memory.early = {start: panes for start, panes in memory.early.items() if start > facts.start}
    memory.judged_until = on_grid(facts.end, facts.interval)
    memory.choice = facts.choice
    horizon = facts.end - max(lookback(spec), facts.interval)
    memory.ticks = [tick for tick in memory.ticks if tick.start >= horizon - facts.interval / 2]
    evaluation = _evaluation(memory, spec, loaded)
    memory.evidence = evaluation.evidence
    memory.coverage = evaluation.coverage
    if memory.taking is not None and loaded is not None:
        memory.recording = with_tick(memory.taking, loaded.profile, _tick(facts, panes))
    return _advance(memory, spec.metrics, evaluation.verdicts, facts.end)


def _evaluation(memory: Memory, spec: ModelMonitorSpec, loaded: Loaded | None) -> Evaluation:
    profile = None if loaded is None else loaded.profile
    digest = "" if loaded is None else loaded.digest
    absent = NO_BASELINE
    if spec.baseline is not None and of_panes(spec.baseline) and loaded is not None:
        profile = None if memory.comparator is None else memory.comparator.profile
        absent = standing(spec.baseline, memory.progress, memory.ticks[-1].start).refusal
    return evaluate(spec, profile, digest, memory.ticks, memory.evidence, absent=absent)


def _advance(
    memory: Memory, metrics: Sequence[Metric], verdicts: Iterable[Verdict], end: float
) -> list[Step]:
    by_name = {verdict.metric: verdict for verdict in verdicts}
    steps = []
    for metric in metrics:
        verdict = by_name[metric.name]
        before = memory.records.get(metric.name)
        record = advance(before, verdict, metric, end)
        steps.append(Step(metric, memory.verdicts.get(metric.name), before, verdict, record))
    memory.records = {step.metric.name: step.record for step in steps}
    memory.verdicts = {step.metric.name: step.verdict for step in steps}
    return steps


def _lean(pane: Pane) -> Pane:
    """Return a pane without what nothing is judged by, because windows are long.

    Sketches go, and of new values all but those that a message may name.
    """
    return msgspec.structs.replace(
        pane, columns={name: without_details(counts) for name, counts in pane.columns.items()}
    )


def _without_sketches(pane: Pane) -> Pane:
    """Return a pane that waits for its tick: new values are kept, in case they are learned."""
    if not any(counts.sketch or counts.distinct for counts in pane.columns.values()):
        return pane
    columns = {
        name: msgspec.structs.replace(counts, sketch=b"", distinct=b"")
        for name, counts in pane.columns.items()
    }
    return msgspec.structs.replace(pane, columns=columns)


def _tick(facts: TickFacts, panes: Sequence[Pane]) -> Tick:
    return Tick(
        start=facts.start,
        interval=facts.interval,
        panes=tuple(panes),
        expected=facts.expected,
        answered=facts.answered,
        replicas_wanted=facts.replicas_wanted,
        judged_revision=facts.choice.judged,
    )
