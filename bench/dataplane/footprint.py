"""What the collector holds in memory with many columns and an hour of panes that nobody pulled."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from bench.dataplane.candidates import MODEL_PORT, Candidates
from bench.dataplane.collector import running_collector
from bench.dataplane.load import Load
from bench.dataplane.machine import Memory, memory
from bench.dataplane.scale import Scale
from bench.dataplane.traffic import configuration, request_body
from bench.report import Bar, Bound, UnsoundRunError
from tests.cluster.mmcluster.shell import log

INPUTS: Final = 48
"""With a class and a score: 50 columns."""
REQUEST_BYTES: Final = 1100
RATE: Final = 1000
"""Rows in a pane of one second: enough to fill its sketches."""
PANE_SECONDS: Final = 1.0
_SAMPLE_SECONDS: Final = 1.0


def measure(load: Load, candidates: Candidates, scale: Scale) -> list[Bar]:
    """Return the bar of all processes' memory, the most that was seen."""
    body = candidates.folder / "request-50-columns.json"
    body.write_bytes(request_body(INPUTS, REQUEST_BYTES))
    seconds = (scale.panes + 2) * PANE_SECONDS
    with running_collector(candidates.folder, upstream=MODEL_PORT) as collector:
        collector.configure(configuration(INPUTS, PANE_SECONDS))
        log.info("memory: %d panes of 50 columns", scale.panes)
        samples = []
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(
                replace(load, body=body).at_rate, collector.port, RATE, seconds, 0.0
            )
            while not sending.done():
                time.sleep(_SAMPLE_SECONDS)
                samples.append(memory(collector.pids))
            result = sending.result()
        before = len(collector.panes)
        collector.pull_all()
        panes = [pane for pane in collector.panes[before:] if pane.columns]
        if len(panes) < scale.panes or collector.decoded() < result.answered / 2:
            raise UnsoundRunError(
                f"memory was measured with {len(panes)} panes of {collector.decoded()} rows, "
                f"expected are {scale.panes} and {result.answered}"
            )
    return [_bar(max(samples, key=lambda sample: sample.alone), len(panes))]


def _bar(most: Memory, panes: int) -> Bar:
    shared, alone = (size / 2**20 for size in (most.shared_with_strangers, most.alone))
    return Bar(
        name="memory_50_columns",
        unit="MiB",
        ours=alone,
        bound=Bound(of="ours", operator="<=", limit=90.0),
        notes=(f"pss={shared:.1f}MiB", f"panes={panes}"),
    )
