"""A baseline that is learned from panes alone: the serving schema has to be said, nothing else."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from modelmonitor.api.v1alpha1.base import (
    ApiModel,
    ColumnName,
    DurationString,
    distinct_names,
    list_map,
    parse_duration,
)
from modelmonitor.api.v1alpha1.rules import rule

LEAST_LEARNING: Final = 3600.0
MOST_LEARNING: Final = 840 * 3600.0
"""Seconds, five weeks: for how long panes are kept."""


class LearnedKind(StrEnum):
    """How a column is counted."""

    NUMERIC = "Numeric"
    CATEGORICAL = "Categorical"
    TEXT = "Text"


class LearnedRole(StrEnum):
    """What the model answers with."""

    LABEL = "Label"
    SCORE = "Score"


class LearnedInput(ApiModel):
    """One input of the model."""

    name: ColumnName = Field(description="Name of the input.")
    kind: LearnedKind = Field(
        description="Numeric: a quantity; Categorical: one of some values, which must be named in "
        "collection.reveal, because the learned ones stand in clear in the baseline; Text: only "
        "lengths are counted."
    )


class LearnedOutput(ApiModel):
    """One column of the model's answers."""

    name: ColumnName = Field(description="Name of the column.")
    kind: LearnedKind = Field(description="As of inputs.")
    role: LearnedRole = Field(
        description="Label: the predicted class or value; Score: a probability or other score."
    )
    output: Annotated[str, Field(max_length=128)] = Field(
        default="", description="Name of the output that holds it; by default the first one."
    )
    index: int = Field(
        default=0, ge=0, le=1023, description="Position in the output's last dimension."
    )


class LearnedBaseline(ApiModel):
    """What is learned, and from how much."""

    inputs: Annotated[list[LearnedInput], AfterValidator(distinct_names)] = Field(
        min_length=1,
        max_length=256,
        description="The model's inputs in the order in which requests hold them.",
        json_schema_extra=list_map("name"),
    )
    outputs: Annotated[list[LearnedOutput], AfterValidator(distinct_names)] = Field(
        default=[],
        max_length=16,
        description="What the model answers with.",
        json_schema_extra=list_map("name"),
    )
    min_rows: int = Field(
        default=50_000,
        ge=1000,
        le=1_000_000_000,
        description="Rows that the baseline is made of at least, after cut points were found.",
    )
    period: DurationString = Field(
        default="24h",
        description="Time that the baseline is made of at least, 1h to 840h. A day knows nothing "
        "of weekends.",
    )

    @rule(
        "duration(self.period) >= duration('1h') && duration(self.period) <= duration('840h')",
        "period must be between 1h and 840h",
        at=".period",
    )
    def _period_is_bounded(self) -> bool:
        return LEAST_LEARNING <= parse_duration(self.period) <= MOST_LEARNING

    @rule(
        "self.outputs.all(o, !self.inputs.exists(i, i.name == o.name))",
        "an output must not have the name of an input",
        at=".outputs",
    )
    def _outputs_are_no_inputs(self) -> bool:
        return {each.name for each in self.inputs}.isdisjoint(each.name for each in self.outputs)

    @property
    def categorical(self) -> set[str]:
        """The names of the Categorical columns."""
        inputs = {each.name for each in self.inputs if each.kind is LearnedKind.CATEGORICAL}
        return inputs | {each.name for each in self.outputs if each.kind is LearnedKind.CATEGORICAL}
