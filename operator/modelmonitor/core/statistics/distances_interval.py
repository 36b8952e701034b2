"""Intervals by inversion: all truths, from baseline to window, that make the window no surprise.

A distance of samples is biased upwards, most where nothing has changed, so that its value plus and
minus something is no interval. Instead truths are tried on the line from the baseline's shares
through the window's and beyond; the interval is made of the distances of those under which a value
as small, or as large, is not improbable (DiCiccio and Romano 1990, who choose
such a line; Cox and Hinkley 1974, section 7.2).
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy import special

from modelmonitor.core.statistics.distances_sides import SMOOTHING, Sides
from modelmonitor.core.statistics.shares import Floats

STEPS: Final = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
"""Truths that are tried: 0 is the baseline, 1 the window."""
Z: Final = 2.241403
"""Standard normal quantile of the 97.5 % interval that is tried on the line; of it up to 2.5 % are
left for truths that lie off the line."""
CERTAIN: Final = 1e-9


def interval(
    between: Sides,
    truths: Callable[[Floats], Floats],
    below: Callable[[Floats], Sequence[tuple[float, float]]],
) -> tuple[float, float]:
    """Return the 95 % interval for a distance.

    Parameters
    ----------
    between
        What is compared.
    truths
        The distances of true shares from the baseline; shape `(n_truths, n_cells)`.
    below
        How probable values up to the observed one are where these shares are true, and values up
        to the one that the upper end rests on.
    """
    origin = between.expected
    least = np.minimum(origin, SMOOTHING / float(between.now.sum()))
    tried = np.stack([_along(origin, between.q, step, least) for step in STEPS])
    distances = np.maximum.accumulate(truths(tried))
    chances = np.clip(below(tried), CERTAIN, 1 - CERTAIN)
    # The further away the truth, the less probable are values as small as the observed one.
    surprise = np.maximum.accumulate(-special.ndtri(chances), axis=0)
    low = float(np.interp(-Z, surprise[:, 0], distances))
    return low, float(np.interp(Z, surprise[:, 1], distances))


def _along(origin: Floats, towards: Floats, step: float, least: Floats) -> Floats:
    """Return the shares at a step of the way; none becomes less than `least`."""
    tried = np.maximum(origin + step * (towards - origin), least)
    found: Floats = tried / tried.sum()
    return found
