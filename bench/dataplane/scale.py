"""How long and how often things are measured."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Lengths of a run.

    Attributes
    ----------
    open_repetitions, open_seconds, open_requests
        Of the open loop, for each rate and candidate: as long as both ask for.
    closed_repetitions, closed_seconds
        Of the closed loop, for each number of connections and candidate.
    panes
        Kept while memory is measured.
    fidelity_seconds, lag_seconds
        Of the comparison of latencies; for so long of it the observer is stopped.
    quiet
        Processors that others may use at most; more, and the run is not sound.
    """

    open_repetitions: int
    open_seconds: float
    open_requests: int
    closed_repetitions: int
    closed_seconds: float
    panes: int
    fidelity_seconds: float
    lag_seconds: float
    quiet: float


FULL: Final = Scale(
    open_repetitions=7,
    open_seconds=6.0,
    open_requests=2000,
    closed_repetitions=3,
    closed_seconds=5.0,
    panes=60,
    fidelity_seconds=12.0,
    lag_seconds=4.0,
    quiet=0.2,
)
QUICK: Final = Scale(
    open_repetitions=2,
    open_seconds=2.0,
    open_requests=400,
    closed_repetitions=1,
    closed_seconds=2.0,
    panes=8,
    fidelity_seconds=5.0,
    lag_seconds=2.0,
    quiet=float("inf"),
)
"""To see that the benchmark itself works: its figures are noise, and any machine will do."""
