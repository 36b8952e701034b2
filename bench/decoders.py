"""How many requests and rows a second one core decodes, by layout, and beside whylogs.

    uv run --extra operator python -m bench.decoders [--quick]

Requests of 1 and of 64 rows with 20 features, their answers with a label and two probabilities;
both bodies are decoded as the observer does it, in one process, in processor time. For whylogs the
same request bodies are parsed and logged (its answers are not read); beside it, ours are decoded,
answers included, and counted at the baseline's cut points. whylogs is installed into an environment
of its own in the cache, once.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.report import Bar, Bound, summary, table
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration
from tests.cluster.mmcluster.settings import default_cache
from tests.collector.layouts import (
    LAYOUTS,
    MATRICES,
    OUTPUTS,
    Layout,
    exchange_of,
    v2_flat,
)

FEATURES: Final = 20
BATCH: Final = 64
SINGLE_BAR: Final = 20_000
"""Requests a second."""
BATCH_BAR: Final = 100_000
"""Rows a second."""
NAMES: Final = tuple(f"f{index}" for index in range(FEATURES))
CUTS: Final = [index * 0.05 for index in range(21)]
PEER: Final = Path(__file__).with_name("peers") / "whylogs_rows.py"
PEER_PACKAGES: Final = ("whylogs==1.6.4", "numpy<2", "orjson==3.13.0", "pandas<3")
REPETITIONS: Final = 5


def rows_of(count: int) -> list[tuple[float, ...]]:
    draw = random.Random(7)
    return [tuple(round(draw.random(), 4) for _ in NAMES) for _ in range(count)]


def configuration() -> CollectorConfiguration:
    inputs = [
        ColumnConfiguration(name=name, kind=ColumnKind.NUMERIC, role=ColumnRole.INPUT, cuts=CUTS)
        for name in NAMES
    ]
    label, proba = OUTPUTS
    outputs = [
        ColumnConfiguration(
            name="label",
            kind=ColumnKind.CATEGORICAL,
            role=ColumnRole.LABEL,
            locator=label,
            categories=["0", "1"],
        ),
        ColumnConfiguration(
            name="proba", kind=ColumnKind.NUMERIC, role=ColumnRole.SCORE, locator=proba, cuts=CUTS
        ),
    ]
    return CollectorConfiguration(monitorUID="m", interval=60.0, columns=[*inputs, *outputs])


def rate(work: Callable[[], None], seconds: float) -> float:
    """Return how often work is done in a second of processor time: the best of some turns."""
    work()
    best = 0.0
    for _ in range(REPETITIONS):
        done, begun = 0, time.process_time()
        while (spent := time.process_time() - begun) < seconds / REPETITIONS:
            for _ in range(20):
                work()
            done += 20
        best = max(best, done / spent)
    return best


def decoding(layout: Layout, rows: int) -> Callable[[], None]:
    reader = Interpreter(configuration(), ("http",))
    exchange = fresh(layout, rows)

    def work() -> None:
        exchange.target = None
        reader.decode(exchange)

    return work


def counting(layout: Layout, rows: int) -> Callable[[], None]:
    reader, buffer = Interpreter(configuration(), ("http",)), RowBuffer(configuration())
    exchange = fresh(layout, rows)

    def work() -> None:
        exchange.target = None
        buffer.add(reader.decode(exchange).rows, len(exchange.request.parts[0]))

    return work


def fresh(layout: Layout, rows: int) -> Exchange:
    return exchange_of(layout(NAMES, rows_of(rows)))


def whylogs(seconds: float) -> dict[str, float]:
    """Return the rows per second of whylogs, for single rows and for batches.

    Raises
    ------
    subprocess.CalledProcessError
        If it cannot be installed or does not run.
    """
    environment = default_cache() / "bench" / "whylogs"
    python = environment / "bin" / "python"
    if not (environment / "ready").exists():
        subprocess.run(["uv", "venv", "-q", "--clear", "--python", "3.11", environment], check=True)
        install = ["uv", "pip", "install", "-q", "--python", str(python), *PEER_PACKAGES]
        subprocess.run(install, check=True)
        (environment / "ready").touch()
    task = {
        "names": NAMES,
        "seconds": seconds,
        "single": v2_flat(NAMES, rows_of(1)).request.decode(),
        "batch": v2_flat(NAMES, rows_of(BATCH)).request.decode(),
    }
    done = subprocess.run(
        [python, PEER], input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True
    )
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def main() -> int:
    seconds = 0.2 if "--quick" in sys.argv else 1.0
    every = (*LAYOUTS, *MATRICES)
    single = {one.__name__: rate(decoding(one, 1), seconds) for one in every}
    batch = {one.__name__: BATCH * rate(decoding(one, BATCH), seconds) for one in every}
    lines = [(name, f"{single[name]:.0f}", f"{batch[name]:.0f}") for name in single]
    print(table("decoded a second of one core", ["layout", "requests", "rows of 64"], lines))
    counted = rate(counting(v2_flat, 1), seconds)
    counted_batch = BATCH * rate(counting(v2_flat, BATCH), seconds)
    peer = whylogs(seconds)
    bars = [
        bar("decode-single-rate", single, SINGLE_BAR),
        bar("decode-batch-rate", batch, BATCH_BAR),
        beside("count-single-rate", counted, peer["single"]),
        beside("count-batch-rate", counted_batch, peer["batch"]),
    ]
    print(*bars, sep="\n")
    words, sound = summary([str(one) for one in bars], [])
    print(words)
    return 0 if sound else 1


def bar(name: str, rates: dict[str, float], limit: float) -> Bar:
    """Return the measure of flat tensors, with the slowest layout as a note."""
    slowest = min(rates, key=lambda layout: rates[layout])
    return Bar(
        name=name,
        ours=rates[v2_flat.__name__],
        unit="/s",
        bound=Bound(of="ours", operator=">=", limit=limit),
        notes=(f"slowest={slowest}:{rates[slowest]:.0f}/s",),
    )


def beside(name: str, ours: float, peer: float) -> Bar:
    return Bar(
        name=name,
        ours=ours,
        peer=peer,
        ratio=ours / peer,
        unit="/s",
        bound=Bound(of="ratio", operator=">=", limit=1),
        notes=("peer=whylogs-1.6.4",),
    )


if __name__ == "__main__":
    raise SystemExit(main())
