"""alibi-detect's TabularDrift with its defaults: KS and chi-square, p < 0.05, Bonferroni."""

import warnings

from alibi_detect.cd import TabularDrift

from bench.peers.windows import given


def main() -> None:
    warnings.simplefilter("ignore")
    windows = given()
    categories = {place: None for place, is_one in enumerate(windows.categorical) if is_one}
    detector = TabularDrift(windows.baseline, p_val=0.05, categories_per_feature=categories)
    alarms = windows.answers()
    for number, rows in enumerate(windows.stream):
        data = detector.predict(rows, drift_type="batch")["data"]
        # With Bonferroni its threshold is that of the smallest p-value.
        alarms[number] = data["p_val"] < data["threshold"]
    windows.keep(alibi_tabular=alarms)


if __name__ == "__main__":
    main()
