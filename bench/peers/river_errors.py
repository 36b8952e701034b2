"""river's detectors with their defaults on the errors of a model, row by row.

A folder holds `errors.npy`, shape `(n_runs, n_rows)`: whether each answer was wrong, known at once.
Answers go to `<rule>.npy`, shape `(n_runs, n_rows)`, true where the detector alarms.
"""

import sys
from pathlib import Path

import numpy as np
from river import drift
from river.drift import binary

DETECTORS = {
    "river_adwin": drift.ADWIN,
    "river_page_hinkley": drift.PageHinkley,
    "river_ddm": binary.DDM,
    "river_eddm": binary.EDDM,
    "river_hddm_a": binary.HDDM_A,
    "river_hddm_w": binary.HDDM_W,
}


def main() -> None:
    folder = Path(sys.argv[1])
    errors = np.load(folder / "errors.npy")
    for name, detector in DETECTORS.items():
        alarms = np.zeros(errors.shape, bool)
        for run, row in enumerate(errors.tolist()):
            one = detector()
            for place, wrong in enumerate(row):
                one.update(wrong)
                alarms[run, place] = one.drift_detected
        np.save(folder / f"{name}.npy", alarms)


if __name__ == "__main__":
    main()
