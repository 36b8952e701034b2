"""Distances between two distributions, given as counts in the same cells.

Each distance comes with what chance alone would make of it at these sizes, and with an interval for
the true distance. Rows of either side count as so many independent draws as they are worth.
"""

from modelmonitor.core.statistics.distances_cells import (
    chi_square,
    cramers_v,
    g_test,
    hellinger,
    jensen_shannon,
    kullback_leibler,
    psi,
    total_variation,
)
from modelmonitor.core.statistics.distances_largest import kolmogorov_smirnov, l_infinity
from modelmonitor.core.statistics.distances_order import (
    anderson_darling,
    cramer_von_mises,
    energy,
    wasserstein,
)
from modelmonitor.core.statistics.distances_sides import SMOOTHING, Distance, Sides, sides

__all__ = [
    "SMOOTHING",
    "Distance",
    "Sides",
    "anderson_darling",
    "chi_square",
    "cramer_von_mises",
    "cramers_v",
    "energy",
    "g_test",
    "hellinger",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "kullback_leibler",
    "l_infinity",
    "psi",
    "sides",
    "total_variation",
    "wasserstein",
]
