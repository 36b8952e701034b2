"""How many rows of a window are worth one independent row."""

from modelmonitor.core.baseline.profile import ColumnProfile
from modelmonitor.core.drift.drift_plan import envelope_for


def worth_of(column: ColumnProfile, interval: float) -> float:
    """Return how many rows are worth one independent row, within a pane of `interval` seconds.

    What a window says of itself is less certain where a caller sends equal rows. That it wanders
    slowly, as weather does, is no uncertainty of the window: it really is another one.
    """
    envelope = envelope_for(column, interval)
    return 1.0 if envelope is None else max(1.0, envelope.phi)
