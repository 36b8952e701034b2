"""How many different values there were in a window: sketches of its panes, merged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.core.judging.comparison import Estimate
from modelmonitor.core.judging.judgement import Refusal
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.pane.panes import Sketched
from modelmonitor.core.statistics.distinct import FINE, estimate, merged, relative_error

MOST_UNCOUNTED: Final = 0.1
"""Share of a window's values that may lack a sketch: as much as may be unobserved."""
NOT_COUNTED: Final = Refusal(
    VerdictReason.WARMING_UP, "collectors do not count yet what this metric asks for"
)


@dataclass(frozen=True, slots=True)
class Repetition:
    """Values and how many of them are different.

    Attributes
    ----------
    values
        How many there are.
    distinct
        Different ones per value, 0 to 1.
    """

    values: int
    distinct: Estimate


def repetition(
    reference: Reference, ticks: Sequence[Tick], name: str, values: int, z: float
) -> Repetition | Refusal:
    """Return how many different values there are.

    Parameters
    ----------
    reference
        Whose panes count.
    ticks
        The window.
    name
        A column, or `ROWS`.
    values
        How many values the window has of it; more than 0.
    z
        Standard errors of the sketch to either side.
    """
    parts = [sketch_of(reference, tick, name) for tick in ticks]
    counted = sum(part.values for part in parts)
    if counted < (1 - MOST_UNCOUNTED) * values or not counted:
        return NOT_COUNTED
    registers = np.maximum.reduce([part.registers for part in parts if part.values])
    found = min(estimate(registers), float(counted))
    error = z * relative_error(found, FINE)
    least = max(1.0, found / (1 + error))
    most = found / (1 - error) if error < 1 else float(counted)
    return Repetition(counted, Estimate(found, least, most).scaled(1 / counted).within(0.0, 1.0))


def sketch_of(reference: Reference, tick: Tick, name: str) -> Sketched:
    """Return the merged sketches of a tick's panes."""
    place = (reference.revision, reference.digest, name)
    if place not in tick.sketches:
        found = [pane.distinct[name] for pane in reference.panes(tick) if name in pane.distinct]
        registers = merged((each.sketch for each in found), FINE)
        tick.sketches[place] = Sketched(sum(each.values for each in found), registers)
    return tick.sketches[place]
