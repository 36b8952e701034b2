"""What the injector tells Prometheus about itself."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ADMISSION_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Seconds; a decision takes about one millisecond, the API server waits two seconds."""


class InjectorMetrics:
    """Counters, gauges and histograms of the injector."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.admissions: Final = Counter(
            "modelmonitor_injector_admissions",
            "Pods that the API server asked about, by what became of them and why.",
            ["outcome", "reason"],
            registry=registry,
        )
        self.errors: Final = Counter(
            "modelmonitor_injector_errors",
            "Requests that failed inside the injector; their pods were admitted unchanged.",
            registry=registry,
        )
        self.admission_seconds: Final = Histogram(
            "modelmonitor_injector_admission_seconds",
            "Time from a complete request to its answer.",
            buckets=ADMISSION_BUCKETS,
            registry=registry,
        )
        self.monitors: Final = Gauge(
            "modelmonitor_injector_monitors", "Monitors that are known.", registry=registry
        )
        self.watch_failures: Final = Counter(
            "modelmonitor_injector_watch_failures",
            "Lists and watches of monitors that failed.",
            registry=registry,
        )
        self.certificate_expiry: Final = Gauge(
            "modelmonitor_injector_certificate_expiry_timestamp_seconds",
            "When the certificate in use expires, seconds since the epoch; once it has, no pod "
            "is injected any more.",
            registry=registry,
        )
        self.certificate_failures: Final = Counter(
            "modelmonitor_injector_certificate_failures",
            "Passes over certificates and keys that failed.",
            registry=registry,
        )
