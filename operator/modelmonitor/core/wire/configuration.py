"""The configuration that the controller pushes to collectors: `PUT /v1/config`.

It is kept in the collector's emptyDir. Until there is one, the collector counts requests, status
codes and latency only. The environment of the container holds constants (`CollectorEnvironment`).
"""

import hashlib
from typing import Final

import msgspec

from modelmonitor.core.baseline.profile_columns import (
    ColumnKind,
    ColumnRole,
    DerivedFrom,
    OutputLocator,
)
from modelmonitor.core.counting.moment_views import MomentView

CONFIGURATION_SCHEMA: Final = 1
CAPTURED_PORT_BASE: Final = 24180
"""Captured port i listens on this + i."""
PANE_PORT: Final = 24190
"""Panes, configuration and metrics."""
CONTAINER_NAME: Final = "mm-collector"
ORIGINAL_PORT_PREFIX: Final = "mm-orig-"
STATE_DIRECTORY: Final = "/run/modelmonitor"
"""Mount path of the collector's emptyDir."""

# Environment variables of the collector container.
EVENTS_PORT: Final = 24189
"""Where a model server's own logger may send CloudEvents."""
ENV_EVENTS: Final = "MM_EVENTS"
"""`1`: the collector takes CloudEvents on `EVENTS_PORT` and splices nothing."""
ENV_MONITOR_UID: Final = "MM_MONITOR_UID"
ENV_MONITOR: Final = "MM_MONITOR"
"""`namespace/name`."""
ENV_PORTS: Final = "MM_PORTS"
"""`name=listen:upstream,…`, for example `http=24180:8080`."""
ENV_POD_UID: Final = "MM_POD_UID"
ENV_POD_NAME: Final = "MM_POD_NAME"
ENV_REVISION: Final = "MM_REVISION"
ENV_ROOT_KEYS: Final = "MM_ROOT_KEYS"
"""Public root keys, raw Ed25519 in URL-safe base64, separated by commas."""
ENV_PANE_PORT: Final = "MM_PANE_PORT"
"""Optional; `PANE_PORT` where it is not set."""
ENV_STATE_DIRECTORY: Final = "MM_STATE_DIRECTORY"
"""Optional; `STATE_DIRECTORY` where it is not set."""


class ConfigurationReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to `PUT /v1/config`, as JSON."""

    configDigest: str
    """Digest of the configuration in force."""
    pendingDigest: str = ""
    """Digest of the configuration that takes effect with the next pane."""


class ColumnConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one column is counted; taken from the baseline profile."""

    name: str
    kind: ColumnKind
    role: ColumnRole
    locator: OutputLocator | None = None
    derived: DerivedFrom | None = None
    cuts: list[float] = []
    categories: list[str] = []
    marks: list[float] = []
    """Values that metrics ask for: how many are below and at each is counted exactly."""


class RowChecks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is counted beside the cells of columns, because a metric asks for it."""

    distinct: list[str] = []
    """Columns whose different values are counted."""
    alike: list[str] = []
    """Columns of which it is noticed that they have one value only."""
    duplicates: bool = False
    """Different rows of inputs are counted."""
    names: bool = False
    """Names of inputs that the baseline does not know are counted."""


class JSONPaths(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the rows of a request and the results of a response are: JSON Pointers (RFC 6901)."""

    rows: str = ""
    results: str = ""


class ScoredClass(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A class whose probability the model answers with."""

    name: str
    """The class, as the prediction names it."""
    column: str
    """The output column that holds its probability."""
    edges: list[float] = []
    """Edges between the cells of its scores, strictly increasing."""


class ScoreConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How scores are counted together with predictions; taken from the baseline profile."""

    prediction: str
    """The output column that holds the predicted class."""
    classes: list[str]
    """Classes that the baseline knows."""
    scored: list[ScoredClass]


class CollectorConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collector is to count."""

    schema: int = CONFIGURATION_SCHEMA
    monitorUID: str
    interval: float
    """Seconds."""
    baselineDigest: str = ""
    protocols: dict[str, str] = {}
    """Port name → Auto or one of the protocols of the API."""
    paths: dict[str, JSONPaths] = {}
    """Port name → where generic JSON has its rows and results."""
    model: str = ""
    """Only requests for this model; empty: all."""
    sampleRatio: float = 1.0
    columns: list[ColumnConfiguration] = []
    """Inputs in serving order, then outputs; empty: rows are not counted."""
    reveal: list[str] = []
    """Categorical columns whose new values may be named in clear."""
    hashKey: str = ""
    """Key of the hashes of other new values, in URL-safe base64; empty: they are not named."""
    scores: ScoreConfiguration | None = None
    """None: scores are counted as any other column, and not together with predictions."""
    checks: RowChecks = RowChecks()
    moments: list[MomentView] = []
    """Which joint moments of rows are counted."""
    suspended: bool = False
    """Only splice."""


def encode_configuration(configuration: CollectorConfiguration) -> bytes:
    """Return the configuration as canonical JSON."""
    return msgspec.json.encode(configuration, order="sorted")


def decode_configuration(payload: bytes) -> CollectorConfiguration:
    """Return the configuration from JSON.

    Raises
    ------
    msgspec.DecodeError
        If the payload is not JSON or not a configuration.
    """
    return msgspec.json.decode(payload, type=CollectorConfiguration)


def configuration_digest(configuration: CollectorConfiguration) -> str:
    """Return the configuration's name by content."""
    return "sha256:" + hashlib.sha256(encode_configuration(configuration)).hexdigest()
