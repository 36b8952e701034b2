"""Runs everything that must hold, step by step, and says how long each step took.

`make test` calls it with the system's Python, before anything is installed: standard library only.
A failed check does not hide the next one; a failed preparation ends the run.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A make target."""

    target: str
    title: str
    prepares: bool = False
    """Later steps cannot run without it."""


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    step: Step
    seconds: float
    code: int


STEPS = (
    Step("bootstrap", "packages and Python environment", prepares=True),
    Step("lint", "style"),
    Step("types", "types"),
    Step("contracts", "layers"),
    Step("unit", "unit tests"),
    Step("interop", "tests against real model servers"),
    Step("cluster-build", "Kubernetes, CoreDNS and Helm binaries", prepares=True),
    Step("chart", "chart tests"),
    Step("api", "tests on a real API server"),
    Step("cluster-test", "tests of the local cluster"),
    Step("cluster-up", "local cluster", prepares=True),
    Step("images", "images", prepares=True),
    Step("e2e", "end-to-end tests on the real cluster"),
    Step("coverage", "coverage"),
)


def run(step: Step) -> Outcome:
    """Run one step with its output in full."""
    bar = "─" * 72
    print(f"\n{bar}\n▶ {step.title} (make {step.target})\n{bar}", flush=True)
    began = time.monotonic()
    code = subprocess.run(["make", step.target], check=False).returncode
    seconds = time.monotonic() - began
    word = "ok" if code == 0 else f"FAILED (exit {code})"
    print(f"◀ {step.title}: {word} after {clock(seconds)}", flush=True)
    return Outcome(step, seconds, code)


def clock(seconds: float) -> str:
    """Return minutes and seconds, as 12m05s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s"


def summary(outcomes: list[Outcome]) -> str:
    """Return the table of steps."""
    rows = [
        f"  {'ok' if outcome.code == 0 else 'FAILED':6}  {clock(outcome.seconds):>7}  "
        f"{outcome.step.title}"
        for outcome in outcomes
    ]
    skipped = [f"  {'not run':6} {'':>7}  {step.title}" for step in STEPS[len(outcomes) :]]
    total = clock(sum(outcome.seconds for outcome in outcomes))
    return "\n".join(["", "Steps", *rows, *skipped, f"  {'total':6}  {total:>7}"])


def main() -> int:
    """Run all steps; return 0 if all held."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    outcomes: list[Outcome] = []
    for step in STEPS:
        outcome = run(step)
        outcomes.append(outcome)
        if outcome.code and step.prepares:
            break
    print(summary(outcomes), flush=True)
    return int(len(outcomes) < len(STEPS) or any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
