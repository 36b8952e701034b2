"""The journal: what is stored, in which order it is read, and whose writing is left out."""

import msgspec

from modelmonitor.controller.reconcile.inbox import MAX_OF_POD, MAX_OF_START, Inbox
from modelmonitor.controller.reconcile.journal import Entry
from modelmonitor.controller.reconcile.judging import Judged, TickFacts
from modelmonitor.controller.reconcile.revision import RevisionChoice, choose
from modelmonitor.controller.reconcile.state import MonitorJournal, open_journal
from modelmonitor.core.wire.pane import Pane
from tests.controller.memory import Killer, MemoryStore
from tests.controller.virtual import run


def pane(seq: int = 1, start: float = 60.0, **changes: object) -> Pane:
    fields: dict[str, object] = {
        "monitorUID": "u",
        "podUID": "p",
        "bootID": "b",
        "seq": seq,
        "start": start,
        "end": start + 60,
        "interval": 60.0,
        **changes,
    }
    return msgspec.convert(fields, Pane)


def entry(start: float) -> Entry[TickFacts]:
    facts = TickFacts(
        start=start,
        interval=60.0,
        expected=1,
        answered=1,
        replicas_wanted=1,
        choice=RevisionChoice(judged="r1"),
    )
    return Entry(panes=[pane(start=start)], facts=facts)


def judged(until: float) -> Judged:
    return Judged(interval=60.0, judged_until=until)


def journals(*terms: int) -> tuple[dict[str, bytes], list[MonitorJournal]]:
    objects: dict[str, bytes] = {}
    return objects, [open_journal(MemoryStore(objects, Killer()), "u", term) for term in terms]


def test_entries_before_the_checkpoint_fill_and_those_after_it_are_judged() -> None:
    async def story() -> None:
        _, (writer, reader) = journals(1, 2)
        await writer.append(entry(0), 0)
        await writer.append(entry(60), 60)
        await writer.save(judged(120), 0)
        await writer.append(entry(120), 120)
        replay = await reader.open(0)
        assert replay.content == judged(120)
        assert [each.facts.start for each in replay.filling if each.facts] == [0, 60]
        assert [each.facts.start for each in replay.judging if each.facts] == [120]
        assert replay.judging[0].panes == [pane(start=120)]

    run(story())


def test_what_is_written_after_a_second_opening_comes_last() -> None:
    async def story() -> None:
        objects, (first, second, successor) = journals(1, 1, 2)
        for start in (0, 60):
            await first.append(entry(start), start)
        await first.save(judged(120), 0)
        await first.append(entry(120), 120)
        await second.open(0)  # the same leader, after the monitor had lost its target for a while
        await second.save(judged(180), 0)
        await second.append(entry(180), 180)
        replay = await successor.open(0)
        assert replay.content == judged(180)
        assert [each.facts.start for each in replay.filling if each.facts] == [0, 60, 120]
        assert [each.facts.start for each in replay.judging if each.facts] == [180]
        assert len([name for name in objects if "/entries/" in name]) == 4

    run(story())


def test_what_no_window_needs_any_more_is_left_out_and_deleted() -> None:
    async def story() -> None:
        objects, (writer, reader) = journals(1, 2)
        for start in (0, 60, 120):
            await writer.append(entry(start), start)
        await writer.save(judged(180), 60)
        assert len([name for name in objects if "/entries/" in name]) == 2
        assert [each.facts.start for each in (await reader.open(120)).filling if each.facts] == [
            120
        ]
        for _ in range(3):
            await writer.append(entry(180), 180)
            await writer.save(judged(240), 60)
        assert len([name for name in objects if "/checkpoints/" in name]) == 2

    run(story())


def test_what_a_leader_of_the_past_still_writes_is_ignored() -> None:
    async def story() -> None:
        _, (old, new, reader) = journals(1, 2, 3)
        await old.append(entry(0), 0)
        await old.save(judged(60), 0)
        await new.open(0)
        await new.save(judged(60), 0)
        await new.append(entry(60), 60)
        await old.append(entry(600), 600)
        await old.save(judged(660), 0)
        replay = await reader.open(0)
        assert replay.content == judged(60)
        assert [each.facts.start for each in replay.judging if each.facts] == [60]

    run(story())


def test_a_checkpoint_that_cannot_be_read_gives_way_to_the_one_before() -> None:
    async def story() -> None:
        objects, (writer, reader) = journals(1, 2)
        await writer.append(entry(0), 0)
        await writer.save(judged(60), 0)
        await writer.append(entry(60), 60)
        await writer.save(judged(120), 0)
        last = max(name for name in objects if "/checkpoints/" in name)
        objects[last] = b"\xc1"
        replay = await reader.open(0)
        assert replay.content == judged(60)
        assert len(replay.judging) == 1

    run(story())


class TestInbox:
    def test_a_pane_is_taken_once_however_often_it_comes(self) -> None:
        inbox = Inbox()
        panes = [pane(1), pane(2, 120.0)]
        assert inbox.take(panes, monitor="u", pod="p", now=1000) == 2
        assert inbox.take([*panes, pane(3, 180.0)], monitor="u", pod="p", now=1000) == 1
        assert [each.seq for each in inbox.drain()] == [1, 2, 3]
        assert inbox.drain() == []
        cursor = inbox.cursor("p")
        assert cursor is not None
        assert str(cursor) == "b:3"

    def test_panes_that_cannot_be_what_they_say_are_rejected(self) -> None:
        inbox = Inbox()
        wrong = [
            pane(monitorUID="other"),
            pane(podUID="other"),
            pane(bootID=""),
            pane(seq=0),
            pane(start=61.0),
            pane(interval=0.0),
            pane(interval=86400.0),
            pane(end=500.0),
            pane(schema=99),
            pane(start=6000.0, end=6060.0),
            pane(forwardedBytes=-1),
            pane(observerGapSeconds=float("inf")),
            pane(requests={"seen": 2**60}),
            pane(requests={"codes": {"200": -5}}),
            pane(latency={"Response": {"buckets": {10**6: 1}}}),
            pane(latency={"Response": {"total": float("nan")}}),
            pane(columns={"x": {"cells": [-1, 2]}}),
            pane(columns={"x": {"cells": [0] * 5000}}),
            pane(columns={"x": {"squares": float("inf")}}),
            pane(columns={"x": {"sketch": b"0" * 100_000}}),
            pane(columns={"x" * 1000: {}}),
            pane(requests={"codes": {"2" * 1000: 1}}),
            pane(bootID="b" * 1000),
            pane(revision="r" * 1000),
        ]
        assert inbox.take(wrong, monitor="u", pod="p", now=1000) == 0
        assert inbox.rejected == len(wrong)
        assert inbox.applied == {}

    def test_a_checkpoint_does_not_take_waiting_panes_for_judged(self) -> None:
        inbox = Inbox()
        inbox.take([pane(1)], monitor="u", pod="p", now=1000)
        assert inbox.settled() == {}
        inbox.drain()
        waiting = [pane(2, 120.0), pane(3, 180.0), pane(1, bootID="c")]
        inbox.take(waiting, monitor="u", pod="p", now=1000)
        assert {boot_id: boot.seq for boot_id, boot in inbox.settled().items()} == {"b": 1}
        restarted = Inbox()
        restarted.applied = inbox.settled()
        assert restarted.repeat(waiting) == waiting
        inbox.drain()
        assert inbox.settled() == inbox.applied

    def test_a_pod_can_send_no_more_panes_of_one_start_than_a_collector_ever_does(self) -> None:
        inbox = Inbox()
        flood = [pane(seq) for seq in range(1, MAX_OF_START + 6)]
        assert inbox.take(flood, monitor="u", pod="p", now=1000) == MAX_OF_START
        assert inbox.rejected == 5
        assert inbox.take([pane(100)], monitor="u", pod="p", now=1000) == 0
        assert inbox.take([pane(101, 120.0)], monitor="u", pod="p", now=1000) == 1
        assert inbox.take([pane(1, bootID="c")], monitor="u", pod="p", now=1000) == 1
        assert inbox.take([pane(1, podUID="q", bootID="d")], monitor="u", pod="q", now=1000) == 1

    def test_a_pod_can_send_no_more_panes_between_two_ticks_than_a_collector_keeps(self) -> None:
        inbox = Inbox()
        flood = [pane(1, 60.0 * start, bootID=f"b{start}") for start in range(1, MAX_OF_POD + 8)]
        late = 60.0 * len(flood) + 600
        assert inbox.take(flood[:-2], monitor="u", pod="p", now=late) == MAX_OF_POD
        assert inbox.rejected == 5
        assert len(inbox.drain()) == MAX_OF_POD  # last panes are stored at once, between ticks
        assert inbox.take(flood[-2:-1], monitor="u", pod="p", now=late) == 0
        assert inbox.take([pane(podUID="q")], monitor="u", pod="q", now=late) == 1
        assert len(inbox.next_tick()) == 1
        assert inbox.take(flood[-1:], monitor="u", pod="p", now=late) == 1

    def test_all_that_a_collector_keeps_is_taken_at_once(self) -> None:
        inbox = Inbox()
        kept = [pane(n, 5.0 * n, end=5.0 * n + 5, interval=5.0) for n in range(1, 1441)]
        assert inbox.take(kept, monitor="u", pod="p", now=8000) == 1440
        assert inbox.rejected == 0

    def test_boots_are_forgotten_when_no_collector_can_hold_their_panes(self) -> None:
        inbox = Inbox()
        inbox.take([pane(start=60.0)], monitor="u", pod="p", now=1000)
        inbox.take([pane(start=9000.0, bootID="c")], monitor="u", pod="p", now=10000)
        inbox.forget_old(12000.0)
        assert list(inbox.applied) == ["c"]


class TestRevision:
    def test_the_first_revision_is_judged_at_once(self) -> None:
        assert choose(RevisionChoice(), {"a": 1, "b": 3}).judged == "b"

    def test_another_one_must_lead_for_two_ticks(self) -> None:
        one = choose(RevisionChoice(judged="a"), {"a": 1, "b": 2})
        assert one.judged == "a"
        assert choose(one, {"a": 1, "b": 2}).judged == "b"
        back = choose(one, {"a": 2, "b": 1})
        assert choose(back, {"a": 1, "b": 2}).judged == "a"

    def test_a_tie_changes_nothing(self) -> None:
        choice = RevisionChoice(judged="a")
        for _ in range(5):
            choice = choose(choice, {"a": 1, "b": 1})
        assert choice.judged == "a"

    def test_without_ready_pods_the_choice_stays(self) -> None:
        assert choose(RevisionChoice(judged="a"), {"a": 0}).judged == "a"
        assert choose(RevisionChoice(), {"": 4}).judged == ""
