"""Condition types and reasons: the words of the status that scripts may match on.

A reason is API: it is never renamed, and each carries the sentence that the reference prints. The
message beside a reason in the status is for people and may change at any time.
"""

from enum import StrEnum
from typing import Final, Self


class Documented(StrEnum):
    """A word of the API with the sentence that says what it means."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """Return the member for one word; `sentence` says what the word means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class ConditionType(Documented):
    """The aspects of a monitor; absence means Unknown."""

    READY = (
        "Ready",
        "The spec is valid, all that it names was found, and the next pod would be injected.",
    )
    TARGET_RESOLVED = "TargetResolved", "The workload and its named ports were found."
    COLLECTORS_READY = "CollectorsReady", "Every pod of the target carries a collector."
    BASELINE_READY = "BaselineReady", "The baseline profile is loaded."
    METRICS_AVAILABLE = "MetricsAvailable", "Collectors deliver the data that metrics need."
    ALERTING = "Alerting", "At least one metric fires; Unknown if none does and any is Unknown."
    RETRAINING_ACTIVE = "RetrainingActive", "A retraining Job runs."
    SUSPENDED = "Suspended", "The monitor is suspended by spec.suspend."
    RECONCILING = "Reconciling", "The operator is at work on the spec; present only while True."
    STALLED = "Stalled", "Nothing goes on before a person acts; present only while True."


ALWAYS_PRESENT: Final = tuple(
    kind for kind in ConditionType if kind not in {ConditionType.RECONCILING, ConditionType.STALLED}
)
"""The conditions of every status, in the order in which they are written."""


class ReadyReason(Documented):
    """Reasons of Ready; Stalled carries the same reason while a person must act."""

    SUCCEEDED = "Succeeded", "Everything that the spec names was found and is valid."
    PROGRESSING = "Progressing", "The operator has not finished looking; it goes on by itself."
    INVALID_SPEC = "InvalidSpec", "The spec breaks a rule; the message names the field."
    TARGET_NOT_FOUND = "TargetNotFound", "The workload of spec.targetRef does not exist."
    TARGET_KIND_UNSUPPORTED = (
        "TargetKindUnsupported",
        "The kind of spec.targetRef is none that the operator knows.",
    )
    PORT_NOT_FOUND = (
        "PortNotFound",
        "No container of the target's pod template has a port of that name.",
    )
    CAPTURE_IMPOSSIBLE = (
        "CaptureImpossible",
        "The pod template or a NetworkPolicy keeps the collector out of the path of the traffic.",
    )
    NAMESPACE_NOT_ENABLED = (
        "NamespaceNotEnabled",
        "The namespace does not carry the label modelmonitor.dev/injection=enabled.",
    )
    NAMESPACE_FORBIDDEN = (
        "NamespaceForbidden",
        "Monitors are not allowed in this namespace, for example the operator's own.",
    )
    BASELINE_NOT_FOUND = "BaselineNotFound", "The object that should hold the baseline is missing."
    BASELINE_INVALID = (
        "BaselineInvalid",
        "The baseline profile cannot be read, is too large, or does not have what metrics name.",
    )
    JOB_TEMPLATE_INVALID = (
        "JobTemplateInvalid",
        "The API server refuses a Job made from spec.retraining.job.template.",
    )
    CONFLICTED = (
        "Conflicted",
        "An older monitor watches the same target; the message names it.",
    )
    ACCESS_DENIED = "AccessDenied", "The operator lacks a right; the message names it."


NEEDS_A_PERSON: Final = frozenset(ReadyReason) - {ReadyReason.SUCCEEDED, ReadyReason.PROGRESSING}
"""Reasons of Ready that do not pass by themselves: Stalled is True with the same reason."""


class ReconcilingReason(Documented):
    """Reasons of Reconciling."""

    PROGRESSING = "Progressing", "The spec is being looked at."
    PROGRESSING_WITH_RETRY = (
        "ProgressingWithRetry",
        "Something failed that may pass by itself; it is tried again.",
    )


class TargetReason(Documented):
    """Reasons of TargetResolved."""

    TARGET_FOUND = "TargetFound", "The workload and its ports were found."
    PROGRESSING = "Progressing", "The workload has not been looked up yet."
    TARGET_NOT_FOUND = "TargetNotFound", "The workload of spec.targetRef does not exist."
    TARGET_KIND_UNSUPPORTED = (
        "TargetKindUnsupported",
        "The kind of spec.targetRef is none that the operator knows.",
    )
    PORT_NOT_FOUND = (
        "PortNotFound",
        "No container of the target's pod template has a port of that name.",
    )
    CONFLICTED = "Conflicted", "An older monitor watches the same target."
    ACCESS_DENIED = "AccessDenied", "The operator may not read the workload or its pods."


class CollectorsReason(Documented):
    """Reasons of CollectorsReady."""

    ALL_INJECTED = "AllInjected", "Every pod of the target carries a collector."
    AWAITING_RECREATION = (
        "AwaitingRecreation",
        "Some pods are older than the monitor; they get a collector when they are recreated.",
    )
    NOT_INJECTED = (
        "NotInjected",
        "Pods were created after the monitor and still carry no collector; the message says why.",
    )
    COLLECTORS_STARTING = "CollectorsStarting", "Collectors are injected but do not run yet."
    OUTDATED = "Outdated", "Every pod carries a collector, some of an older image."
    INJECTION_PAUSED = (
        "InjectionPaused",
        "Injected pods could not start, so new pods are admitted without a collector.",
    )
    NAMESPACE_NOT_ENABLED = (
        "NamespaceNotEnabled",
        "The namespace does not carry the label modelmonitor.dev/injection=enabled.",
    )
    CAPTURE_IMPOSSIBLE = (
        "CaptureImpossible",
        "The pod template or a NetworkPolicy keeps the collector out of the path of the traffic.",
    )
    NO_PODS = "NoPods", "The target has no pods."
    TARGET_NOT_RESOLVED = "TargetNotResolved", "The target's pods are not known yet."
    SUSPENDED = "Suspended", "New pods get no collector while the monitor is suspended."


class BreakerReason(Documented):
    """Reasons of the circuit breaker, `status.injection.reason`."""

    IMAGE_UNAVAILABLE = "ImageUnavailable", "The collector's image could not be pulled."
    COLLECTOR_NOT_STARTING = (
        "CollectorNotStarting",
        "An injected pod waited too long for its collector.",
    )
    COLLECTOR_CRASHING = "CollectorCrashing", "A collector restarted again and again."
    QUOTA_EXCEEDED = "QuotaExceeded", "A ResourceQuota refused the injected pods."
    LIMIT_RANGE_VIOLATED = "LimitRangeViolated", "A LimitRange refused the injected pods."
    POD_REFUSED = "PodRefused", "The API server refused the injected pods for another reason."
    TRIAL_TIMED_OUT = "TrialTimedOut", "The pod on trial was not ready in time."
    TRIAL = "Trial", "One pod is injected to see whether the cause has passed."
    SPEC_CHANGED = "SpecChanged", "Injection goes on because the monitor was changed."
    IMAGE_CHANGED = "ImageChanged", "Injection goes on because the collector's image was changed."
    TRIAL_SUCCEEDED = "TrialSucceeded", "Injection goes on because a trial pod became ready."


class BaselineReason(Documented):
    """Reasons of BaselineReady."""

    LOADED = "Loaded", "The baseline profile is loaded."
    NOT_REQUIRED = "NotRequired", "No metric needs a baseline and none is named."
    PROGRESSING = "Progressing", "The baseline has not been read yet."
    LEARNING = "Learning", "The panes that become the baseline are still being collected."
    PERIOD_NOT_RECORDED = (
        "PeriodNotRecorded",
        "The fixed period began before panes were kept for this monitor.",
    )
    BASELINE_NOT_FOUND = "BaselineNotFound", "The object that should hold the baseline is missing."
    BASELINE_INVALID = (
        "BaselineInvalid",
        "The baseline profile cannot be read, is too large, or does not have what metrics name.",
    )
    ACCESS_DENIED = "AccessDenied", "The operator may not read the object that holds the baseline."


class MetricsReason(Documented):
    """Reasons of MetricsAvailable."""

    DATA_RECEIVED = "DataReceived", "Collectors answer and the data is complete enough to judge."
    WARMING_UP = "WarmingUp", "Windows are not full yet after a start or a new baseline."
    NO_TRAFFIC = "NoTraffic", "Collectors answer and saw no request."
    NO_DATA = "NoData", "No metric has data."
    NO_COLLECTORS = "NoCollectors", "No pod carries a collector yet."
    COLLECTOR_UNREACHABLE = (
        "CollectorUnreachable",
        "No collector answers although pods are ready; often a NetworkPolicy.",
    )
    PARTIAL_OBSERVATION = (
        "PartialObservation",
        "Less of the traffic was observed than a fair judgement needs.",
    )
    BODIES_UNDECODABLE = "BodiesUndecodable", "Requests are seen, but none of their bodies decode."
    SCALED_TO_ZERO = "ScaledToZero", "The target asks for 0 replicas."
    TARGET_NOT_RESOLVED = "TargetNotResolved", "There is no target whose data could be had."
    SUSPENDED = "Suspended", "Nothing is collected while the monitor is suspended."


class AlertingReason(Documented):
    """Reasons of Alerting."""

    NO_BREACH = "NoBreach", "Every metric was judged and none fires."
    PENDING = "Pending", "A metric is in breach, not yet for pendingFor."
    THRESHOLD_BREACHED = "ThresholdBreached", "At least one metric fires; the message names them."
    RECOVERING = "Recovering", "Metrics that fire are safe again, not yet for keepFiringFor."
    NO_DATA = "NoData", "A metric with noDataPolicy Alert fires because it has no data."
    UNKNOWN = "Unknown", "No metric fires, and at least one cannot be judged."
    NOT_EVALUATED = "NotEvaluated", "No metric has been judged yet."
    SUSPENDED = "Suspended", "Nothing is judged while the monitor is suspended."


class RetrainingReason(Documented):
    """Reasons of RetrainingActive."""

    NOT_CONFIGURED = "NotConfigured", "The monitor has no spec.retraining."
    NOT_TRIGGERED = "NotTriggered", "The trigger is not true."
    JOB_PENDING = "JobPending", "An episode is open and its Job is about to be created."
    JOB_RUNNING = "JobRunning", "The retraining Job runs."
    JOB_SUCCEEDED = "JobSucceeded", "The last retraining Job succeeded."
    JOB_FAILED = "JobFailed", "The last retraining Job failed."
    JOB_REFUSED = "JobRefused", "The API server refused the Job; the message says why."
    JOB_NAME_TAKEN = "JobNameTaken", "A Job of that name exists and belongs to somebody else."
    JOB_LOST = "JobLost", "The Job was deleted before it finished."
    COOLING_DOWN = "CoolingDown", "The trigger is true, but the last run is too recent."
    HELD = "Held", "The trigger is true, but too little of the traffic is observed to act on it."
    OBSERVE_MODE = "ObserveMode", "The trigger is true, but spec.mode is Observe."
    SUSPENDED = "Suspended", "Nothing is started while the monitor is suspended."


class SuspendedReason(Documented):
    """Reasons of Suspended."""

    SUSPENDED = "Suspended", "spec.suspend is true."
    NOT_SUSPENDED = "NotSuspended", "spec.suspend is false."


class EpisodeCause(Documented):
    """Why a retraining episode ended, `status.retraining.episode.cause`."""

    RECOVERED = "Recovered", "Every metric of the episode returned to OK."
    NEW_BASELINE = "NewBaseline", "A new baseline came into force; evidence starts afresh."
    SUSPENDED = "Suspended", "The monitor was suspended."
    SPEC_CHANGED = "SpecChanged", "The trigger or its metrics were changed."
    JOB_LOST = "JobLost", "Its Job was deleted before it finished."
    JOB_NAME_TAKEN = "JobNameTaken", "A Job of that name exists and belongs to somebody else."


class VerdictReason(Documented):
    """Reasons of a verdict on one metric, `status.metrics[].reason`."""

    BREACH = "Breach", "The value is on the wrong side of a threshold or tolerance."
    WITHIN_THRESHOLD = "WithinThreshold", "The value is on the right side of every threshold."
    WITHIN_TOLERANCE = "WithinTolerance", "There is no evidence of a shift above the tolerance."
    NOT_RECOVERED = "NotRecovered", "No breach, but not on the safe side of recoverAt."
    NOT_EVALUATED = "NotEvaluated", "The metric has not been judged yet."
    TOO_FEW_SAMPLES = "TooFewSamples", "There are fewer requests or rows than minSamples."
    NO_TRAFFIC = "NoTraffic", "There was no request to measure."
    NO_DATA = "NoData", "Nothing was measured."
    WARMING_UP = "WarmingUp", "The window is not full yet after a start or a new baseline."
    INTERVAL_STRADDLES_THRESHOLD = (
        "IntervalStraddlesThreshold",
        "The value's confidence interval holds the threshold: either side is possible.",
    )
    COLLECTOR_UNREACHABLE = "CollectorUnreachable", "No collector answered."
    PARTIAL_OBSERVATION = (
        "PartialObservation",
        "Less of the traffic was observed than a fair judgement needs.",
    )
    BODIES_UNDECODABLE = "BodiesUndecodable", "Requests were seen, but no rows could be decoded."
    SCALED_TO_ZERO = "ScaledToZero", "The target asks for 0 replicas."
    MIXED_REVISIONS = "MixedRevisions", "Pods of two revisions serve; neither can be judged yet."
    MIXED_BASELINES = (
        "MixedBaselines",
        "Some collectors count by the baseline in force and some by another one.",
    )
    BASELINE_NOT_READY = "BaselineNotReady", "There is no baseline to compare with."
    COLUMN_NOT_IN_BASELINE = (
        "ColumnNotInBaseline",
        "The baseline profile has no column of that name or group.",
    )
    COLUMN_KIND_UNSUPPORTED = (
        "ColumnKindUnsupported",
        "The column's kind, numeric or categorical, does not fit the check or statistic.",
    )
    PERFORMANCE_NOT_IN_BASELINE = (
        "PerformanceNotInBaseline",
        "The baseline profile was built without the labels or scores that an estimate needs.",
    )
    SCORES_UNUSABLE = (
        "ScoresUnusable",
        "The scores or predictions of the window are not such as the baseline knows them.",
    )
    PRIOR_NOT_IDENTIFIABLE = (
        "PriorNotIdentifiable",
        "The predictions tell the true classes too badly apart to infer the classes' shares.",
    )
    NOT_A_NUMBER = "NotANumber", "The value is not a finite number."
