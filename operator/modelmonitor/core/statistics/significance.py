"""Tests of equal distributions, for people who compare with other tools; no verdict rests on them.

With enough rows every p-value is small, and repeated every minute some always are.
"""

from dataclasses import dataclass

from scipy import special

from modelmonitor.core.statistics.distances_sides import Sides
from modelmonitor.core.statistics.shares import Floats


@dataclass(frozen=True, slots=True)
class Significance:
    """The result of a test.

    Attributes
    ----------
    statistic
        Chi-square or G.
    freedom
        Degrees of freedom.
    p
        Probability of a statistic at least as large if the distributions are equal.
    """

    statistic: float
    freedom: int
    p: float


def chi_square_test(between: Sides) -> Significance:
    """Return Pearson's test of a table of two rows, the sides, without correction.

    Cells that are empty on both sides are left out; rows count as what they are worth.
    """
    p, q, pooled = _filled(between)
    statistic = between.together * float(((p - q) ** 2 / pooled).sum())
    return _of(statistic, p.size)


def likelihood_ratio_test(between: Sides) -> Significance:
    """Return the G-test of the same table (Wilks 1938)."""
    p, q, pooled = _filled(between)
    before = between.before_rows * float(special.rel_entr(p, pooled).sum())
    now = between.now_rows * float(special.rel_entr(q, pooled).sum())
    return _of(2 * (before + now), p.size)


def _filled(between: Sides) -> tuple[Floats, Floats, Floats]:
    m, n = between.before_rows, between.now_rows
    pooled = (m * between.p + n * between.q) / (m + n)
    filled = pooled > 0
    return between.p[filled], between.q[filled], pooled[filled]


def _of(statistic: float, cells: int) -> Significance:
    freedom = cells - 1
    p = float(special.chdtrc(freedom, statistic)) if freedom else 1.0
    return Significance(statistic, freedom, p)
