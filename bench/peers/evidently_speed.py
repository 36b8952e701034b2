"""Processor time that Evidently's default preset takes for one window.

Seconds, one turn for every line that is read.
"""

import sys
import time
import warnings

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from bench.peers.windows import given


def main() -> None:
    warnings.simplefilter("ignore")
    windows = given()
    names = {
        wanted: [
            name
            for name, is_one in zip(windows.names, windows.categorical, strict=True)
            if is_one is wanted
        ]
        for wanted in (False, True)
    }
    definition = DataDefinition(numerical_columns=names[False], categorical_columns=names[True])

    def dataset(rows: pd.DataFrame) -> Dataset:
        for name in names[True]:
            rows[name] = rows[name].astype(int).astype(str)
        return Dataset.from_pandas(rows, data_definition=definition)

    reference = dataset(pd.DataFrame(windows.baseline, columns=windows.names))
    current = dataset(pd.DataFrame(windows.stream[0], columns=windows.names))
    for _ in sys.stdin:
        begun = time.process_time()
        # The values are computed when they are asked for.
        Report([DataDriftPreset()]).run(current, reference).dict()
        print(time.process_time() - begun, flush=True)


if __name__ == "__main__":
    main()
