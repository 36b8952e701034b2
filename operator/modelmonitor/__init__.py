"""modelmonitor: a Kubernetes operator that watches production ML models."""

__version__ = "0.1.0"
