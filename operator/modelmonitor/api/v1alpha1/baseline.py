"""The baseline: what normal looks like, and where its profile comes from."""

from enum import StrEnum
from typing import Final

from pydantic import Field

from modelmonitor.api.v1alpha1.base import (
    ApiModel,
    DurationString,
    MomentString,
    SubdomainName,
    parse_duration,
    parse_moment,
)
from modelmonitor.api.v1alpha1.learned import LearnedBaseline
from modelmonitor.api.v1alpha1.rules import rule

LEAST_PERIOD: Final = 24 * 3600.0
"""Seconds; a shorter one does not even know every hour of the day."""
MOST_PERIOD: Final = 840 * 3600.0
"""Seconds, five weeks: for how long panes are kept, summed by the hour."""


class BaselineType(StrEnum):
    """Where the baseline profile comes from."""

    CONFIG_MAP = "ConfigMap"
    PRODUCTION = "Production"
    LEARNED = "Learned"


class Seasonality(StrEnum):
    """Which cells of the baseline are compared with."""

    NONE = "None"
    HOUR_OF_DAY = "HourOfDay"
    HOUR_OF_WEEK = "HourOfWeek"


class ConfigMapRef(ApiModel):
    """A ConfigMap in the monitor's namespace."""

    name: SubdomainName = Field(
        description="Name of the ConfigMap; its key profile.json holds the baseline profile."
    )


class ProductionBaseline(ApiModel):
    """What the model saw in a period of its own service: a rolling one, or a fixed one."""

    config_map: ConfigMapRef = Field(
        description="The baseline profile that says which columns there are and by which cut "
        "points and categories they are counted; its own counts are not compared with."
    )
    period: DurationString | None = Field(
        default=None,
        description="Length of a rolling period, 24h to 840h; it moves on once a day. Until so "
        "much was seen, nothing is judged against it.",
    )
    offset: DurationString | None = Field(
        default=None,
        description="How long ago the rolling period ends, so that what goes wrong today is not "
        "normal tomorrow; period and offset together are at most 840h. By default 0.",
    )
    from_: MomentString | None = Field(
        default=None,
        alias="from",
        description="Begin of a fixed period, such as 2026-01-31T12:00:00Z; panes are kept "
        "from the hour on in which the monitor got a baseline of this type.",
    )
    to: MomentString | None = Field(
        default=None,
        description="End of a fixed period, 24 hours to 840 hours after from. Until then nothing "
        "is judged against it.",
    )

    @rule(
        "has(self.from) == has(self.to) && has(self.period) != has(self.to)",
        "give either period, or from and to",
        at=".period",
    )
    def _rolling_or_fixed(self) -> bool:
        fixed = self.to is not None
        return (self.from_ is not None) == fixed and (self.period is not None) != fixed

    @rule(
        "!has(self.offset) || has(self.period)",
        "offset belongs to a rolling period",
        at=".offset",
    )
    def _offset_of_a_rolling_period(self) -> bool:
        return self.offset is None or self.period is not None

    @rule(
        "!has(self.period) || (duration(self.period) >= duration('24h')"
        " && duration(self.period) + duration(has(self.offset) ? self.offset : '0s')"
        " <= duration('840h'))",
        "period must be at least 24h, and period and offset together at most 840h",
        at=".period",
    )
    def _period_is_bounded(self) -> bool:
        return self.period is None or (
            parse_duration(self.period) >= LEAST_PERIOD
            and parse_duration(self.period) + parse_duration(self.offset or "0s") <= MOST_PERIOD
        )

    @rule(
        "!has(self.from) || !has(self.to)"
        " || (timestamp(self.to) - timestamp(self.from) >= duration('24h')"
        " && timestamp(self.to) - timestamp(self.from) <= duration('840h'))",
        "to must be 24 to 840 hours after from",
        at=".to",
    )
    def _range_is_bounded(self) -> bool:
        if self.from_ is None or self.to is None:
            return True
        try:
            length = parse_moment(self.to) - parse_moment(self.from_)
        except ValueError:  # a day that the calendar does not have
            return False
        return LEAST_PERIOD <= length <= MOST_PERIOD


class Baseline(ApiModel):
    """What normal looks like; `type` says which member holds the reference."""

    type: BaselineType = Field(description="Where the baseline profile comes from.")
    config_map: ConfigMapRef | None = Field(
        default=None, description="Reference of type ConfigMap, required there."
    )
    production: ProductionBaseline | None = Field(
        default=None, description="Of type Production, required there."
    )
    learned: LearnedBaseline | None = Field(
        default=None, description="Of type Learned, required there."
    )
    seasonality: Seasonality = Field(
        default=Seasonality.NONE,
        description="None: one baseline for all hours. HourOfDay, HourOfWeek: values that follow "
        "the clock are compared with the same hours of the baseline, in the profile's time zone; "
        "hours with few rows lean on the hours next to them and on all others. The profile must "
        "hold its counts by hour.",
    )

    @rule(
        "(self.type == 'ConfigMap') == has(self.configMap)",
        "configMap belongs to type ConfigMap and is required there",
        at=".configMap",
    )
    def _config_map_fits_type(self) -> bool:
        return (self.type is BaselineType.CONFIG_MAP) == (self.config_map is not None)

    @rule(
        "(self.type == 'Production') == has(self.production)",
        "production belongs to type Production and is required there",
        at=".production",
    )
    def _production_fits_type(self) -> bool:
        return (self.type is BaselineType.PRODUCTION) == (self.production is not None)

    @rule(
        "(self.type == 'Learned') == has(self.learned)",
        "learned belongs to type Learned and is required there",
        at=".learned",
    )
    def _learned_fits_type(self) -> bool:
        return (self.type is BaselineType.LEARNED) == (self.learned is not None)

    @property
    def profile_ref(self) -> ConfigMapRef | None:
        """The ConfigMap with the profile by whose cells columns are counted."""
        return self.config_map if self.production is None else self.production.config_map
