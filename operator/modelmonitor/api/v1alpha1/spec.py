"""The spec of a ModelMonitor: what a platform team declares."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelmonitor.api.v1alpha1.base import (
    ApiModel,
    DecimalString,
    DurationString,
    ObjectName,
    list_map,
    list_set,
)
from modelmonitor.api.v1alpha1.metrics import Metric


class Protocol(StrEnum):
    """How the bodies on a port are decoded."""

    AUTO = "Auto"
    OPEN_INFERENCE = "OpenInference"
    JSON = "JSON"


class BaselineType(StrEnum):
    """Where the baseline profile comes from."""

    CONFIG_MAP = "ConfigMap"


class Seasonality(StrEnum):
    """Which cells of the baseline are compared with."""

    NONE = "None"


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

    api_version: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="API version of the workload, for example apps/v1."
    )
    kind: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="Kind of the workload: Deployment or StatefulSet."
    )
    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the workload."
    )


class CapturedPort(ApiModel):
    """A container port whose traffic is observed."""

    name: Annotated[str, Field(min_length=1, max_length=15)] = Field(
        description="Name of the container port; the Service's targetPort must use this name."
    )
    protocol: Protocol = Field(
        default=Protocol.AUTO,
        description="Auto: decided from the traffic; OpenInference: v2 REST JSON; JSON: objects "
        "or arrays named like the baseline's columns.",
    )


class ModelSelector(ApiModel):
    """Which model on a server with several; requests for others are not this monitor's."""

    name: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Name of the model, as it stands in the request path."
    )


class Quantities(ApiModel):
    """Amounts of CPU and memory, as Kubernetes writes them."""

    cpu: Annotated[str, Field(max_length=20)] | None = Field(
        default=None, description="CPU, for example 50m."
    )
    memory: Annotated[str, Field(max_length=20)] | None = Field(
        default=None, description="Memory, for example 96Mi."
    )


class CollectorResources(ApiModel):
    """Requests and limits of the collector container."""

    requests: Quantities = Field(
        default=Quantities(cpu="50m", memory="96Mi"), description="What is reserved."
    )
    limits: Quantities = Field(
        default=Quantities(memory="256Mi"),
        description="What may be used; leave cpu out, a throttled proxy slows the model.",
    )


class Collection(ApiModel):
    """How traffic becomes statistics."""

    ports: list[CapturedPort] = Field(
        min_length=1,
        max_length=4,
        description="The container ports that are observed.",
        json_schema_extra=list_map("name"),
    )
    model: ModelSelector | None = Field(
        default=None, description="Only requests for this model, on servers with several."
    )
    sample_ratio: DecimalString = Field(
        default="1",
        description="Share of requests whose bodies are decoded, above 0 and at most 1; every "
        "request is counted.",
    )
    resources: CollectorResources = Field(
        default=CollectorResources(), description="Resources of the collector container."
    )


class ConfigMapRef(ApiModel):
    """A ConfigMap in the monitor's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the ConfigMap; its key profile.json holds the baseline profile."
    )


class Baseline(ApiModel):
    """What normal looks like; `type` says which member holds the reference."""

    type: BaselineType = Field(description="Where the baseline profile comes from.")
    config_map: ConfigMapRef | None = Field(
        default=None, description="Reference of type ConfigMap, required there."
    )
    seasonality: Seasonality = Field(
        default=Seasonality.NONE, description="None: one baseline for all hours."
    )


class FalseAlarmInterval(ApiModel):
    """Mean time between false alarms, by severity."""

    warning: DurationString = Field(default="168h", description="For severity Warning.")
    critical: DurationString = Field(default="2160h", description="For severity Critical.")


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
    metrics: list[ObjectName] = Field(
        min_length=1,
        max_length=32,
        description="Names of metrics of this monitor.",
        json_schema_extra=list_set(),
    )
    match: Match = Field(
        default=Match.ALL, description="All: every one of the metrics fires; Any: at least one."
    )


class RetrainingJob(ApiModel):
    """The Job that retrains."""

    template: dict[str, Any] = Field(
        description="A batch/v1 Job template {metadata, spec}; checked by a server-side dry run.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
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
    metrics: list[Metric] = Field(
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
