"""What was measured, and whether it holds: one `BAR` line a measure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

MISSING: Final = "-"


class UnsoundRunError(Exception):
    """A run whose figures mean nothing; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What has to hold: `ours<=25us`, `ratio>=7`."""

    of: Literal["ours", "ratio", "difference"]
    operator: Literal["<=", ">="]
    limit: float

    def holds(self, value: float) -> bool:
        """Return whether a value keeps to the bound."""
        return value <= self.limit if self.operator == "<=" else value >= self.limit


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One measure.

    Attributes
    ----------
    name
        What was measured, without blanks.
    unit
        Of `ours`, `peer` and a bound of them; empty: a plain number.
    ours, peer
        The two figures, from the same run.
    ratio
        Of both, in the direction that the bound means; a median of the ratios of single
        repetitions where there are some, so it need not be the quotient of the figures.
    bound
        What has to hold.
    notes
        Further words, such as the spread.
    """

    name: str
    ours: float
    bound: Bound
    unit: str = ""
    peer: float | None = None
    ratio: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Return whether the measure keeps to its bound."""
        values = {
            "ours": self.ours,
            "ratio": self.ratio,
            "difference": None if self.peer is None else abs(self.ours - self.peer),
        }
        value = values[self.bound.of]
        return value is not None and self.bound.holds(value)

    def __str__(self) -> str:
        unit = "" if self.bound.of == "ratio" else self.unit
        bound = f"{self.bound.of}{self.bound.operator}{self.bound.limit:g}{unit}"
        peer = MISSING if self.peer is None else f"{figure(self.peer)}{self.unit}"
        ratio = quotient(self.ratio)
        words = (
            f"BAR {self.name}",
            f"ours={figure(self.ours)}{self.unit}",
            f"peer={peer}",
            f"ratio={ratio}",
            f"bar={bound}",
            f"holds={'yes' if self.holds else 'no'}",
            *self.notes,
        )
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Ratios of single repetitions."""

    values: tuple[float, ...]
    """Of those repetitions in which the peer's figure was above zero."""
    unusable: int
    """Repetitions in which it was not: then there is no ratio."""

    @property
    def median(self) -> float | None:
        """Return the middle one; None if there is none in most of the repetitions."""
        return statistics.median(self.values) if len(self.values) > self.unusable else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the spread, in words of a `BAR` line."""
        repetitions = f"repetitions={len(self.values)}/{len(self.values) + self.unusable}"
        if not self.values:
            return (repetitions,)
        return (f"spread={min(self.values):.2f}..{max(self.values):.2f}", repetitions)


def ratios(ours: Sequence[float], peers: Sequence[float]) -> Ratios:
    """Return the ratios ours / peer of repetitions, paired in their order."""
    pairs = list(zip(ours, peers, strict=True))
    values = tuple(mine / theirs for mine, theirs in pairs if theirs > 0.0)
    return Ratios(values=values, unusable=len(pairs) - len(values))


def quotient(value: float | None) -> str:
    """Return a ratio with two digits behind the point."""
    return MISSING if value is None else f"{value:.2f}"


def figure(value: float) -> str:
    """Return a number with three significant digits, or all that stand before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an aligned table; the first column is text, the others are figures."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    text = [
        "  ".join(
            word.ljust(width) if place == 0 else word.rjust(width)
            for place, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join(["", title, *(f"  {line}" for line in text)])


def summary(lines: Sequence[str], doubts: Sequence[str]) -> tuple[str, bool]:
    """Return the last words of a run, and whether all is well.

    Parameters
    ----------
    lines
        All `BAR` lines.
    doubts
        Reasons why the figures should not be believed.
    """
    failed = [line for line in lines if "holds=yes" not in line.split()]
    words = [f"{len(lines) - len(failed)} of {len(lines)} bars hold"]
    words += [f"  does not hold: {line.removeprefix('BAR ')}" for line in failed]
    words += [f"  not sound: {doubt}" for doubt in doubts]
    return "\n".join(words), bool(lines) and not failed and not doubts
