"""whylogs' default drift rules, from profiles of every window: KS for numbers, else chi-square."""

import logging
import warnings

import numpy as np
import pandas as pd
from whylogs.core import DatasetProfile
from whylogs.core.view.dataset_profile_view import DatasetProfileView
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from bench.peers.windows import given


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    windows = given()

    def view(rows: np.ndarray) -> DatasetProfileView:
        frame = pd.DataFrame(rows, columns=windows.names)
        for name, categorical in zip(windows.names, windows.categorical, strict=True):
            if categorical:
                frame[name] = frame[name].astype(int).astype(str)
        profile = DatasetProfile()
        profile.track(frame)
        return profile.view()

    reference, alarms = view(windows.baseline), windows.answers()
    for number, rows in enumerate(windows.stream):
        scores = calculate_drift_scores(
            target_view=view(rows), reference_view=reference, with_thresholds=True
        )
        alarms[number] = [
            (scores.get(name) or {}).get("drift_category") == "DRIFT" for name in windows.names
        ]
    windows.keep(whylogs_default=alarms)


if __name__ == "__main__":
    main()
