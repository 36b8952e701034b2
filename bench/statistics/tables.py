"""The tables of a run, by the name that `--only` takes.

Each is a module of this package with `measure(scale) -> Iterator[Bar]`. Tables that are not there
are left out, so that each can be developed alone.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from bench.report import Bar
from bench.statistics.scale import Scale

Measure = Callable[[Scale], Iterator[Bar]]

NAMES: Final = tuple(
    name
    for name in ("nulls", "peers", "arl", "power", "streams", "performance", "speed")
    if find_spec(f"bench.statistics.{name}") is not None
)


def measure_of(name: str) -> Measure:
    """Return the function that measures a table."""
    found: Measure = import_module(f"bench.statistics.{name}").measure
    return found
