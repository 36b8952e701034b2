"""river's detectors with their defaults, row by row, on one column of each shape.

The first of every kind of numbers only: it is as slow as it says, and the others are like them.
"""

from river import drift

from bench.peers.windows import given

COLUMNS = 3
DETECTORS = {
    "river_adwin_3_columns": drift.ADWIN,
    "river_page_hinkley_3_columns": drift.PageHinkley,
}


def main() -> None:
    windows = given()
    answers = {}
    for name, detector in DETECTORS.items():
        alarms = windows.answers()
        for place in range(COLUMNS):
            one = detector()
            for number, rows in enumerate(windows.stream):
                for value in rows[:, place].tolist():
                    one.update(value)
                    alarms[number, place] |= one.drift_detected
        answers[name] = alarms
    windows.keep(**answers)


if __name__ == "__main__":
    main()
