"""The spec of a ModelMonitor: what a platform team declares."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field

from modelmonitor.api.v1alpha1.base import (
    API_VERSION_PATTERN,
    KIND_PATTERN,
    ApiModel,
    DurationString,
    ObjectName,
    SubdomainName,
    distinct,
    distinct_names,
    list_map,
    list_set,
    parse_duration,
)
from modelmonitor.api.v1alpha1.baseline import Baseline
from modelmonitor.api.v1alpha1.collection import Collection, Source
from modelmonitor.api.v1alpha1.metrics import DATA_TYPES, Metric, MetricType
from modelmonitor.api.v1alpha1.rules import Rule, RuleReason, rule

MIN_INTERVAL_SECONDS: Final = 5.0
MAX_INTERVAL_SECONDS: Final = 3600.0


class Severity(StrEnum):
    """How bad a breach is."""

    WARNING = "Warning"
    CRITICAL = "Critical"


class Match(StrEnum):
    """How the metrics of a trigger combine."""

    ALL = "All"
    ANY = "Any"


class Mode(StrEnum):
    """Whether verdicts lead to actions."""

    ENFORCE = "Enforce"
    OBSERVE = "Observe"


class TargetRef(ApiModel):
    """The workload whose pods serve the model, in the monitor's namespace."""

    transition_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self == oldSelf",
            "targetRef is immutable: delete this monitor and make another one for the other target",
        ),
    )

    api_version: Annotated[
        str, Field(min_length=1, max_length=128, pattern=API_VERSION_PATTERN)
    ] = Field(description="API version of the workload, for example apps/v1.")
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=KIND_PATTERN)] = Field(
        description="Kind of the workload: Deployment, StatefulSet, or InferenceService in "
        "KServe's Standard mode."
    )
    name: SubdomainName = Field(description="Name of the workload.")


class FalseAlarmInterval(ApiModel):
    """Mean time between false alarms, by severity."""

    warning: DurationString = Field(default="168h", description="For severity Warning.")
    critical: DurationString = Field(default="2160h", description="For severity Critical.")

    @rule(
        "duration(self.warning) <= duration(self.critical)",
        "critical must not be shorter than warning: false critical alarms are the rarer ones",
        at=".critical",
    )
    def _critical_is_rarer(self) -> bool:
        return parse_duration(self.warning) <= parse_duration(self.critical)


class DriftBudget(ApiModel):
    """How rarely drift metrics may alarm by mistake."""

    false_alarm_interval: FalseAlarmInterval = Field(
        default=FalseAlarmInterval(),
        description="Mean time between false alarms that all drift metrics of this monitor "
        "together may cost.",
    )


class RetrainingTrigger(ApiModel):
    """When retraining starts."""

    severity: Severity = Field(
        default=Severity.CRITICAL, description="The metrics must fire with at least this severity."
    )
    metrics: Annotated[list[ObjectName], AfterValidator(distinct)] = Field(
        min_length=1,
        max_length=32,
        description="Names of metrics of this monitor.",
        json_schema_extra=list_set(),
    )
    match: Match = Field(
        default=Match.ALL, description="All: every one of the metrics fires; Any: at least one."
    )


def _is_job_template(template: dict[str, Any]) -> dict[str, Any]:
    match template:
        case {"spec": dict()}:
            return template
        case _:
            raise ValueError("spec is missing: write a Job template {metadata, spec: {template}}")


class RetrainingJob(ApiModel):
    """The Job that retrains."""

    template: Annotated[dict[str, Any], AfterValidator(_is_job_template)] = Field(
        description="A batch/v1 Job template {metadata, spec}; checked by a server-side dry run.",
        json_schema_extra={
            "x-kubernetes-preserve-unknown-fields": True,
            "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object",
                    "description": "The spec of a batch/v1 Job.",
                    "x-kubernetes-preserve-unknown-fields": True,
                }
            },
        },
    )


class Retraining(ApiModel):
    """When and how the model is trained again; at most one run at a time."""

    when: RetrainingTrigger = Field(description="What starts a run.")
    cooldown: DurationString = Field(
        default="24h", description="Least time between the starts of two runs."
    )
    job: RetrainingJob = Field(description="What runs.")


class ModelMonitorSpec(ApiModel):
    """What is watched, how it is judged, and what follows."""

    target_ref: TargetRef = Field(description="The workload that serves the model; immutable.")
    collection: Collection = Field(description="How traffic becomes statistics.")
    baseline: Baseline | None = Field(
        default=None,
        description="What normal looks like; required by Drift, Distance and DataQuality metrics.",
    )
    interval: DurationString = Field(
        default="1m", description="Length of a pane and of a tick, 5s to 1h."
    )
    drift: DriftBudget = Field(
        default=DriftBudget(), description="False-alarm budget of the drift metrics."
    )
    metrics: Annotated[list[Metric], AfterValidator(distinct_names)] = Field(
        min_length=1,
        max_length=32,
        description="What is measured and judged.",
        json_schema_extra=list_map("name"),
    )
    retraining: Retraining | None = Field(
        default=None, description="Retraining; without it the monitor only alerts."
    )
    mode: Mode = Field(
        default=Mode.ENFORCE,
        description="Enforce: alerts lead to actions; Observe: everything is judged and shown, "
        "no action is taken.",
    )
    suspend: bool = Field(
        default=False, description="True: nothing is collected, judged or started."
    )

    @rule(
        "duration(self.interval) >= duration('5s') && duration(self.interval) <= duration('1h')",
        "interval must be between 5s and 1h",
        at=".interval",
    )
    def _interval_is_bounded(self) -> bool:
        return MIN_INTERVAL_SECONDS <= parse_duration(self.interval) <= MAX_INTERVAL_SECONDS

    @rule(
        "has(self.baseline)"
        " || !self.metrics.exists(m, m.type in ['DataQuality', 'Drift', 'Distance', 'Statistic',"
        " 'EstimatedPerformance', 'Multivariate'])",
        "baseline is required by metrics of type DataQuality, Drift, Distance, Statistic, "
        "EstimatedPerformance and Multivariate",
        at=".baseline",
        reason=RuleReason.REQUIRED,
    )
    def _baseline_where_needed(self) -> bool:
        return self.baseline is not None or all(
            each.type not in DATA_TYPES for each in self.metrics
        )

    @rule(
        "self.collection.source != 'CloudEvents' || self.metrics.all(m, m.type != 'ErrorRatio')",
        "servers' own loggers tell of successful requests only: an ErrorRatio needs source Traffic",
        at=".metrics",
    )
    def _errors_can_be_seen(self) -> bool:
        return self.collection.source is not Source.CLOUD_EVENTS or all(
            each.type is not MetricType.ERROR_RATIO for each in self.metrics
        )

    @rule(
        "self.metrics.all(m, !has(m.window) || duration(m.window) >= duration(self.interval))",
        "the window of a metric must not be shorter than spec.interval",
        at=".metrics",
    )
    def _windows_hold_an_interval(self) -> bool:
        interval = parse_duration(self.interval)
        windows = [each.window for each in self.metrics if each.window is not None]
        return all(parse_duration(window) >= interval for window in windows)

    @rule(
        "duration(self.drift.falseAlarmInterval.warning) >= duration(self.interval)",
        "falseAlarmInterval must not be shorter than spec.interval",
        at=".drift.falseAlarmInterval",
    )
    def _budget_is_above_interval(self) -> bool:
        budget = parse_duration(self.drift.false_alarm_interval.warning)
        return budget >= parse_duration(self.interval)

    @rule(
        "!has(self.baseline) || !has(self.baseline.learned)"
        " || (self.baseline.learned.inputs.all(c, c.kind != 'Categorical'"
        " || c.name in self.collection.reveal)"
        " && self.baseline.learned.outputs.all(c, c.kind != 'Categorical'"
        " || c.name in self.collection.reveal))",
        "collection.reveal must name the Categorical columns of baseline.learned: their values "
        "stand in clear in what is learned",
        at=".collection.reveal",
    )
    def _learned_categories_are_revealed(self) -> bool:
        learned = None if self.baseline is None else self.baseline.learned
        if learned is None:
            return True
        return learned.categorical.issubset(self.collection.reveal)

    @rule(
        "!has(self.retraining)"
        " || self.retraining.when.metrics.all(n, self.metrics.exists(m, m.name == n))",
        "retraining.when.metrics must hold names of spec.metrics",
        at=".retraining.when.metrics",
    )
    def _trigger_names_metrics(self) -> bool:
        names = {each.name for each in self.metrics}
        return self.retraining is None or names.issuperset(self.retraining.when.metrics)

    @rule(
        "!has(self.retraining) || self.retraining.when.severity != 'Critical'"
        " || self.metrics.all(m, !(m.name in self.retraining.when.metrics)"
        " || (has(m.drift) && has(m.drift.tolerance.critical))"
        " || (has(m.threshold) && (has(m.threshold.critical) || has(m.threshold.criticalRange))))",
        "a metric of retraining.when.metrics can never be Critical: give it a critical threshold, "
        "or set retraining.when.severity to Warning",
        at=".retraining.when.severity",
    )
    def _trigger_can_fire(self) -> bool:
        if self.retraining is None or self.retraining.when.severity is not Severity.CRITICAL:
            return True
        named = [each for each in self.metrics if each.name in self.retraining.when.metrics]
        return all(each.declares_critical for each in named)
