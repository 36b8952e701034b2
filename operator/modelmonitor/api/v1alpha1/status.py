"""The status of a ModelMonitor: observations only, small, bounded, and quiet."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelmonitor.api.v1alpha1.base import ApiModel, list_atomic, list_map
from modelmonitor.api.v1alpha1.metrics import MetricType
from modelmonitor.api.v1alpha1.spec import Severity

Timestamp = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""UTC in RFC 3339, seconds resolution: 2026-01-31T12:00:00Z."""
Message = Annotated[str, Field(max_length=1024)]
Digest = Annotated[str, Field(max_length=80)]
Share = Annotated[str, Field(max_length=16)]


class AlertState(StrEnum):
    """The monitor's state at a glance: the first that holds, in this order."""

    SUSPENDED = "Suspended"
    CRITICAL = "Critical"
    WARNING = "Warning"
    NO_DATA = "NoData"
    UNKNOWN = "Unknown"
    PENDING = "Pending"
    OK = "OK"


class MetricState(StrEnum):
    """Where one metric stands in the alert state machine."""

    OK = "OK"
    PENDING = "Pending"
    FIRING = "Firing"
    RECOVERING = "Recovering"
    UNKNOWN = "Unknown"
    NO_DATA = "NoData"


class ConditionStatus(StrEnum):
    """True, False or Unknown."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class BreakerState(StrEnum):
    """Whether new pods are injected: Closed yes, Open no, HalfOpen one pod as a trial."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"


class RestartPhase(StrEnum):
    """How far the one restart of `spec.collection.restart` has come."""

    REQUESTED = "Requested"
    RESTARTING = "Restarting"
    FINISHED = "Finished"
    FAILED = "Failed"


class EpisodePhase(StrEnum):
    """How far a retraining episode has come."""

    OPENED = "Opened"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CLOSED = "Closed"


class Condition(ApiModel):
    """One aspect of the monitor, as Kubernetes writes conditions."""

    type: Annotated[str, Field(max_length=63)] = Field(description="Name of the condition.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    observed_generation: Annotated[int, Field(ge=0)] = Field(
        description="Generation of the spec that was looked at."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    reason: Annotated[str, Field(max_length=63)] = Field(description="Why, as one word.")
    message: Message = Field(description="Why, as a sentence.")


class CollectorCounts(ApiModel):
    """How many pods of the target are covered."""

    matched: int = Field(default=0, ge=0, description="Pods of the target.")
    injected: int = Field(default=0, ge=0, description="Pods that carry a collector.")
    reachable: int = Field(default=0, ge=0, description="Collectors that answered lately.")
    outdated: int = Field(default=0, ge=0, description="Collectors with an older image.")


class CollectionStatus(ApiModel):
    """What collectors made of the traffic of the last judged interval; shares are rounded down."""

    observed_share: Share | None = Field(
        default=None,
        description="Share of the traffic that reached an observer, 0 to 1: collectors that "
        "answered x bytes copied x time with an observer.",
    )
    sampled_share: Share | None = Field(
        default=None,
        description="Share of the requests that were picked for decoding, 0 to 1; what is no "
        "prediction, or is left out by sampleRatio, was not; absent where all were, or none.",
    )
    decoded_share: Share | None = Field(
        default=None,
        description="Share of the sampled requests whose bodies became rows, 0 to 1; absent where "
        "none was sampled.",
    )
    undecodable: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Why most of the others did not, as one word."
    )
    protocols: list[Annotated[str, Field(max_length=128)]] = Field(
        default=[],
        max_length=4,
        description="What decoded requests of each port were taken for lately, with the share, "
        "for example: http: OpenInference (100%).",
        json_schema_extra=list_atomic(),
    )


class LearnedStatus(ApiModel):
    """A profile that was made from panes."""

    digest: Digest = Field(description="Digest of the profile that is compared with.")
    since: Timestamp = Field(description="Begin of the period.")
    until: Timestamp = Field(description="End of the period.")


class BaselineStatus(ApiModel):
    """The baseline profile in force."""

    digest: Digest = Field(
        description="Digest of the profile by whose columns and cut points rows are counted."
    )
    rows: int = Field(
        ge=0, description="Rows that the profile in force was built from; 0 while it is learned."
    )
    learned: LearnedStatus | None = Field(
        default=None, description="Of types Production and Learned: what the panes became."
    )


class MetricStatus(ApiModel):
    """The last verdict on one metric and its alert state."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the metric.")
    type: MetricType = Field(description="Type of the metric.")
    state: MetricState = Field(description="Alert state.")
    severity: Severity | None = Field(
        default=None, description="Severity of the breach or alert; absent without one."
    )
    value: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Last value, rounded, in the metric's unit."
    )
    threshold: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="What the value is held against, in words."
    )
    samples: int | None = Field(default=None, ge=0, description="Requests or rows behind it.")
    since: Timestamp = Field(description="When the state was entered.")
    reason: Annotated[str, Field(max_length=63)] = Field(description="Why, as one word.")
    message: Message = Field(description="Why, as a sentence.")


class InjectionStatus(ApiModel):
    """The circuit breaker that keeps injection from becoming an outage."""

    breaker: BreakerState = Field(description="Closed: new pods are injected.")
    reason: Annotated[str, Field(max_length=63)] = Field(description="Why, as one word.")
    message: Message = Field(description="Why, as a sentence.")
    since: Timestamp = Field(description="When the breaker last changed.")
    image: Annotated[str, Field(max_length=512)] = Field(
        description="Collector image that was judged; another one closes the breaker."
    )
    generation: int = Field(ge=0, description="Spec generation that was judged.")
    failures: int = Field(default=1, ge=0, description="How often it opened in a row.")
    retry_at: Timestamp | None = Field(default=None, description="When one pod is tried again.")
    trial_injector: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="Pod of the injector that may inject the trial pod; none other may, so that "
        "there is one.",
    )
    trial_pod: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="The pod on trial; no other is injected. While Open: one that was not ready in "
        "time and may still be.",
    )


class RestartStatus(ApiModel):
    """The one restart that `spec.collection.restart: Once` allows; written before any effect."""

    phase: RestartPhase = Field(
        description="Requested: about to be made; Restarting: pods are being recreated; Finished: "
        "every pod was; Failed: that did not come about."
    )
    uid: Annotated[str, Field(max_length=63)] = Field(
        description="UID of the monitor that the restart belongs to."
    )
    requested_at: Timestamp = Field(description="When the decision was written.")
    finished_at: Timestamp | None = Field(default=None, description="When it ended.")
    message: Message = Field(default="", description="How it ended, as a sentence.")


class Episode(ApiModel):
    """One cause for retraining, from trigger to end; written before any effect."""

    number: int = Field(ge=1, description="Counts up; names the Job.")
    opened_at: Timestamp = Field(description="When the trigger became true.")
    revision: Annotated[str, Field(max_length=63)] = Field(
        description="Revision of the target that was judged (pod-template-hash)."
    )
    baseline_digest: Digest = Field(description="Baseline that was judged against.")
    phase: EpisodePhase = Field(description="How far it has come.")
    metrics: list[Annotated[str, Field(max_length=63)]] = Field(
        max_length=32,
        description="Metrics that fired.",
        json_schema_extra=list_atomic(),
    )
    job_name: Annotated[str, Field(max_length=63)] = Field(description="Name of its Job.")
    closed_at: Timestamp | None = Field(default=None, description="When it ended.")
    cause: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Why it ended: Recovered, NewBaseline, Suspended."
    )


class RetrainingRun(ApiModel):
    """A finished retraining Job."""

    number: int = Field(ge=1, description="Number of the episode.")
    job_name: Annotated[str, Field(max_length=63)] = Field(description="Name of the Job.")
    started_at: Timestamp = Field(description="When the Job was created.")
    finished_at: Timestamp = Field(description="When it ended.")
    outcome: Annotated[str, Field(max_length=63)] = Field(description="Succeeded or Failed.")
    message: Message = Field(default="", description="What the Job said of its end.")


class RetrainingStatus(ApiModel):
    """Retraining: the present episode and what has been."""

    episode: Episode | None = Field(default=None, description="The last episode.")
    last_started_at: Timestamp | None = Field(
        default=None, description="When the last run was started; the cooldown counts from it."
    )
    last_succeeded_at: Timestamp | None = Field(
        default=None, description="When a run last succeeded."
    )
    history: list[RetrainingRun] = Field(
        default=[],
        max_length=10,
        description="The last runs, newest first.",
        json_schema_extra=list_map("number"),
    )


class ModelMonitorStatus(ApiModel):
    """What the operator has seen; derived, never an input of users."""

    observed_generation: int = Field(
        default=-1, description="Generation of the spec that this status speaks of."
    )
    conditions: list[Condition] = Field(
        default=[],
        max_length=16,
        description="Ready, TargetResolved, CollectorsReady, BaselineReady, MetricsAvailable, "
        "Alerting, RetrainingActive, Suspended; Reconciling and Stalled only while True.",
        json_schema_extra=list_map("type"),
    )
    alert_state: AlertState | None = Field(
        default=None, description="The first that holds, worst first; derived from the metrics."
    )
    summary: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Metrics by state, for example: 6 ok, 1 unknown, 1 firing."
    )
    worst: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="The metric with the highest severity, longest firing first."
    )
    revision: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Revision of the target that is judged (pod-template-hash)."
    )
    evaluated_at: Timestamp | None = Field(
        default=None, description="End of the last interval that was judged."
    )
    coverage: Annotated[str, Field(max_length=16)] | None = Field(
        default=None,
        description="Share of the traffic that was observed and decoded, 0 to 1, rounded down.",
    )
    collectors: CollectorCounts | None = Field(default=None, description="Pods and collectors.")
    collection: CollectionStatus | None = Field(
        default=None, description="What collectors made of the traffic."
    )
    baseline: BaselineStatus | None = Field(default=None, description="Baseline in force.")
    metrics: list[MetricStatus] = Field(
        default=[],
        max_length=32,
        description="The last verdict on each metric.",
        json_schema_extra=list_map("name"),
    )
    injection: InjectionStatus | None = Field(
        default=None, description="The circuit breaker, once it has opened."
    )
    restart: RestartStatus | None = Field(
        default=None, description="The restart of spec.collection.restart, once it was decided."
    )
    retraining: RetrainingStatus | None = Field(default=None, description="Retraining.")
