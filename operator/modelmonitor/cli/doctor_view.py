"""How an examination looks on a terminal."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelmonitor.cli.examination import Examination
from modelmonitor.core.injection.pods import PodView
from modelmonitor.core.injection.preflight import Finding, Level

NONE: Final = "-"
_STYLES: Final = {Level.OK: "green", Level.NOTE: "yellow", Level.PROBLEM: "bold red"}


def report(examination: Examination) -> RenderableType:
    """Return an examination as people read it."""
    parts: list[RenderableType] = [_headline(examination), _findings(examination.findings)]
    if examination.pods:
        parts += [Text("\nPods", "bold"), _pods(examination)]
    return Group(*parts, _summary(examination.findings))


def _headline(examination: Examination) -> Text:
    monitor = examination.monitor
    return Text.assemble(
        (f"{examination.namespace}/{examination.workload}", "bold"),
        f"  watched by {monitor.metadata.name}" if monitor is not None else "  not watched",
        "\n",
    )


def _findings(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for one in findings:
        table.add_row(
            Text(one.level.value, _STYLES[one.level]), Text(one.subject), Text(one.message)
        )
    return table


def _pods(examination: Examination) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("POD", "READY", "COLLECTOR", "WHY"):
        table.add_column(column, overflow="fold")
    for pod in examination.pods:
        word, why = _collector(pod, examination)
        table.add_row(pod.name, "yes" if pod.ready else "no", word, Text(why or NONE))
    return table


def _collector(pod: PodView, examination: Examination) -> tuple[str, str]:
    """Return what has become of a pod's collector, in a word and in a sentence."""
    collector, monitor = pod.collector, examination.monitor
    if collector is None:
        if pod.obstacle is not None:
            return "none", pod.obstacle.message
        return "none", "recreate the pod" if monitor is not None else ""
    if monitor is None or not pod.collects_for(monitor.metadata.name, monitor.metadata.uid):
        deleted = monitor is None or pod.monitor == monitor.metadata.name
        whose = "a deleted monitor" if deleted else f"monitor {pod.monitor}"
        return "other", f"it obeys {whose}: recreate the pod"
    if collector.awaited_since is not None:
        return "waiting", ": ".join(filter(None, [collector.reason, collector.message]))
    if examination.image and collector.image != examination.image:
        return "outdated", f"it runs {collector.image}: recreate the pod"
    return "injected", ""


def _summary(findings: Sequence[Finding]) -> Text:
    counts = Counter(one.level for one in findings)
    if counts[Level.PROBLEM]:
        noun = "problem" if counts[Level.PROBLEM] == 1 else "problems"
        return Text(f"\n{counts[Level.PROBLEM]} {noun}.", "bold red")
    return Text("\nNothing stands in the way.", "green")
