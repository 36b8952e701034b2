"""A million mutated messages through decoders and framing: no crash, no hang, no growth.

    uv run --extra operator python -m bench.fuzz [--quick] [--messages N] [--seed S] [--only NUMBER]

Two thirds are bodies, given to the decoders under a dozen configurations; one third are whole
connections in HTTP/1.1 and HTTP/2, given to the recorder in pieces. What counts as a finding is
said in `tests/fuzz/fuzzer.py`; message NUMBER of a seed is the same in every run, so that a finding
can be looked at again with `--only`. Growth is that of resident memory in the second half of the
run, when every cache has filled.
"""

import argparse
import faulthandler
import gc
import resource
import sys
import time
from pathlib import Path
from typing import Final

from bench.report import Bar, Bound, summary
from tests.fuzz.fuzzer import FoundError, Fuzzer
from tests.fuzz.seeds import load

MESSAGES: Final = 1_000_000
QUICK: Final = 50_000
BLOCK: Final = 5_000
"""Messages between two lines of progress."""
HANG_SECONDS: Final = 300
"""A block that takes longer hangs: where, is printed, and the run ends."""
MOST_FINDINGS: Final = 10
MOST_GROWTH: Final = 8.0
"""MiB."""
PAGE: Final = resource.getpagesize()
MEBIBYTE: Final = 1 << 20


def main() -> int:
    options = _options()
    fuzzer = Fuzzer(options.seed, load())
    if options.only is not None:
        fuzzer.run(options.only, 1)
        print(f"message {options.only}: {dict(fuzzer.outcomes)}")
        return 0
    findings, done, growth = _run(fuzzer, options.messages)
    bars = [
        Bar(
            name="fuzz-messages",
            ours=done,
            bound=Bound(of="ours", operator=">=", limit=options.messages),
            notes=(f"seed={options.seed}", f"decoded={_decoded(fuzzer)}"),
        ),
        Bar(
            name="fuzz-findings",
            ours=len(findings),
            bound=Bound(of="ours", operator="<=", limit=0),
        ),
        Bar(
            name="fuzz-slowest-share-of-time-allowed",
            ours=fuzzer.slowest,
            bound=Bound(of="ours", operator="<=", limit=1),
        ),
        Bar(
            name="fuzz-growth-second-half",
            ours=growth,
            unit="MiB",
            bound=Bound(of="ours", operator="<=", limit=MOST_GROWTH),
        ),
    ]
    for outcome, count in fuzzer.outcomes.most_common():
        print(f"  {outcome:18} {count:8}")
    print(*findings, sep="\n")
    print(*bars, sep="\n")
    words, sound = summary([str(bar) for bar in bars], [])
    print(words)
    return 0 if sound else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz decoders and framing.")
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK} messages")
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one message, by its number")
    options = parser.parse_args()
    options.messages = options.messages or (QUICK if options.quick else MESSAGES)
    return options


def _run(fuzzer: Fuzzer, messages: int) -> tuple[list[FoundError], int, float]:
    """Return what was found, how many messages were sent, and the growth in MiB."""
    findings: list[FoundError] = []
    begun, half = time.monotonic(), 0.0
    done = 0
    while done < messages and len(findings) < MOST_FINDINGS:
        block = min(BLOCK, messages - done)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            fuzzer.run(done, block)
            done += block
        except FoundError as finding:
            findings.append(finding)
            done = finding.number + 1
        if not half and done >= messages / 2:
            half = _resident()
        spent = time.monotonic() - begun
        print(
            f"{done:8} of {messages} messages, {done / spent:6.0f} a second, {len(findings)} "
            f"findings, {_resident():5.1f} MiB",
            file=sys.stderr,
            flush=True,
        )
    faulthandler.cancel_dump_traceback_later()
    return findings, done, _resident() - half


def _decoded(fuzzer: Fuzzer) -> int:
    protocols = ("OpenInference", "KServeV1", "MLflow", "OpenAI", "JSON")
    return sum(fuzzer.outcomes[protocol] for protocol in protocols)


def _resident() -> float:
    """Return this process's resident memory in MiB, without garbage."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * PAGE / MEBIBYTE


if __name__ == "__main__":
    raise SystemExit(main())
