"""The columns of one flight, shared by everything that reads or sends flights.

Inputs are what is known when the ticket is sold, and the weather of the hour. The departure delay
is left out on purpose: with it the task is nearly solved before the model is asked.
"""

from typing import Final

NUMERIC: Final = (
    "hour",
    "weekday",
    "distance",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "pressure",
)
"""Numeric inputs: scheduled hour of departure (0–24, minutes as fraction), ISO weekday (1–7),
miles, °F, °F, percent, mph, inches, miles, millibar."""

CATEGORICAL: Final = ("origin", "carrier")
"""Categorical inputs: departure airport and two-letter airline code."""

INPUTS: Final = CATEGORICAL + NUMERIC
"""All inputs in the order in which requests name them."""

TIME: Final = "time"
"""Scheduled hour of departure, UTC, ISO 8601."""

LABEL: Final = "late"
"""1 if the flight arrived more than `LATE_MINUTES` after schedule, else 0."""

PREDICTION: Final = "predict"
"""The model's class, named like the tensor in which the server answers it."""

SCORE: Final = "predict_proba"
"""The model's probability of being late, named like the tensor in which the server answers it."""

LATE_CLASS: Final = 1
"""Position of the probability of being late among the two that the server answers for a row."""

PART: Final = "part"
"""Which use a row is kept for: one of `PARTS`."""

PARTS: Final = {"train": 0.4, "baseline": 0.4, "replay": 0.2}
"""Share of the rows per use. The baseline's rows are not the training rows: a model is surer of
what it has seen, so a baseline of training scores would differ from traffic without any drift."""

LATE_MINUTES: Final = 15
"""Arrival delay in minutes above which a flight counts as late."""
