"""Rows per second of whylogs, from request bodies on: run in an environment of its own.

Reads one JSON document from standard input, {"names": …, "single": body, "batch": body, "seconds":
…}; prints {"single": rows/s, "batch": rows/s} of processor time. A body is that of an OpenInference
request with one flat tensor; it is parsed with orjson and logged, one row as a dictionary, a batch
as a data frame, which is the faster way for each.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import orjson
import pandas as pd
from whylogs.core import DatasetProfile


def main() -> None:
    task = json.load(sys.stdin)
    names, seconds = task["names"], task["seconds"]
    single, batch = task["single"].encode(), task["batch"].encode()
    profile = DatasetProfile()

    def one_row() -> int:
        values = orjson.loads(single)["inputs"][0]["data"]
        profile.track(row=dict(zip(names, values, strict=True)))
        return 1

    def many_rows() -> int:
        values = orjson.loads(batch)["inputs"][0]["data"]
        frame = pd.DataFrame(np.array(values).reshape(-1, len(names)), columns=names)
        profile.track(frame)
        return len(frame)

    print(json.dumps({"single": rate(one_row, seconds), "batch": rate(many_rows, seconds)}))


def rate(work: Callable[[], int], seconds: float) -> float:
    work()
    rows, begun = 0, time.process_time()
    while time.process_time() - begun < seconds:
        rows += work()
    return rows / (time.process_time() - begun)


if __name__ == "__main__":
    main()
