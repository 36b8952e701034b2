"""Evidently's default rules for a reference above 1000 rows, by its own test functions."""

import warnings

import pandas as pd
from evidently.legacy.calculations.stattests import (
    jensenshannon_stat_test,
    psi_stat_test,
    wasserstein_stat_test,
)
from evidently.legacy.core import ColumnType

from bench.peers.windows import given


def main() -> None:
    warnings.simplefilter("ignore")
    windows = given()
    default, psi = windows.answers(), windows.answers()
    for place, categorical in enumerate(windows.categorical):
        reference = pd.Series(windows.baseline[:, place])
        kind = ColumnType.Categorical if categorical else ColumnType.Numerical
        test = jensenshannon_stat_test if categorical else wasserstein_stat_test
        for number, rows in enumerate(windows.stream):
            current = pd.Series(rows[:, place])
            default[number, place] = test(reference, current, kind, None).drifted
            psi[number, place] = psi_stat_test(reference, current, kind, None).drifted
    windows.keep(evidently_default=default, evidently_psi=psi)


if __name__ == "__main__":
    main()
