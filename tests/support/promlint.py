"""What `promtool check metrics` finds fault with, for the text that a process serves.

The rules are those of Prometheus' naming practices: help for every series, base units, `_total`
for counters and for nothing else, snake case, and no suffix or label that belongs to another type.
"""

import re
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

UNITS: Final = re.compile(
    r"(?:^|_)((?:pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|mebi|giga|gibi"
    r"|tera|tebi|peta|pebi)?(?:amperes|bytes|celsius|grams|joules|kelvins?|met(?:er|re)s|seconds"
    r"|volts)|minutes|hours|days|weeks|percents?|s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(?=_|$)"
)
BASE_UNITS: Final = frozenset(
    {"amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "seconds"}
    | {"volts"}
)
TYPES: Final = re.compile(r"(?:^|_)(?:counter|gauge|histogram|summary)(?=_|$)")
SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
RESERVED: Final = ("_bucket", "_count", "_sum")


def faults(registry: CollectorRegistry) -> list[str]:
    """Return everything that is wrong with what a registry serves, as sentences."""
    text = generate_latest(registry).decode()
    found = [fault for family in text_string_to_metric_families(text) for fault in _faults(family)]
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    typed = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    found += [f"{name}: no help" for name in typed if name not in helped]
    found += [f"{name}: is there twice" for name in set(typed) if typed.count(name) > 1]
    return found


def _faults(family: Metric) -> Iterator[str]:
    name = family.name
    samples = {sample.name for sample in family.samples}
    if family.type in {"untyped", "unknown"}:
        yield f"{name}: no type"
    if family.type == "counter" and not all(each.endswith("_total") for each in samples):
        yield f"{name}: a counter ends in _total"
    if family.type != "counter" and name.endswith("_total"):
        yield f"{name}: only counters end in _total"
    if name.endswith(RESERVED):
        yield f"{name}: the suffix belongs to histograms and summaries"
    if not SNAKE.fullmatch(name):
        yield f"{name}: is not snake case"
    if TYPES.search(name):
        yield f"{name}: names its type"
    for unit in UNITS.finditer(name):
        if unit[1] not in BASE_UNITS:
            yield f"{name}: {unit[1]} is no base unit"
    for sample in family.samples:
        yield from _label_faults(family, sample.labels)


def _label_faults(family: Metric, labels: dict[str, str]) -> Iterator[str]:
    for label in labels:
        if not SNAKE.fullmatch(label):
            yield f"{family.name}: label {label} is not snake case"
    if "le" in labels and family.type != "histogram":
        yield f"{family.name}: label le belongs to histograms"
    if "quantile" in labels and family.type != "summary":
        yield f"{family.name}: label quantile belongs to summaries"
