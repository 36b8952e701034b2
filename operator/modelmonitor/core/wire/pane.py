"""Panes: one replica, one interval, as counts that add up.

A pane is made by the collector's observer and read by the controller. Counts merge by addition, so
the order of replicas and of time does not matter. Encoded as msgpack.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

PANE_SCHEMA: Final = 1

LATENCY_GAMMA: Final = 1.02
"""Ratio of neighbouring latency bucket bounds: a bucket's middle is within 1 % of its values."""

LATENCY_RESPONSE: Final = "Response"
LATENCY_FIRST_BYTE: Final = "FirstByte"
LATENCY_FIRST_TOKEN: Final = "FirstToken"
"""Of streamed generations: end of the request to the first event that carries text."""

NO_RESPONSE: Final = "none"
"""Status code of a request whose connection ended without a response."""
GRPC_CODE_PREFIX: Final = "grpc-"
"""Status code of a gRPC request: this and the number of the trailers, such as `grpc-14`."""
ROWS: Final = ""
"""Stands for whole rows where columns are named."""
MAX_MARKS: Final = 128
"""Values that metrics ask for, of one column: four for each of 32 metrics."""
MAX_NOVEL: Final = 32
"""Values that the baseline does not list, named in one column of one pane."""


class Undecodable(StrEnum):
    """Why a sampled request did not become rows: the keys of `RequestCounts.undecodable`."""

    TOO_LARGE = "TooLarge"
    """A body above the collector's cap."""
    INCOMPLETE = "Incomplete"
    """Parts of a body were dropped on the way to the observer."""
    ENCODING = "ContentEncoding"
    """A content coding that is not read, or a body that does not keep to its coding."""
    BINARY = "BinaryTensors"
    """Raw tensors of OpenInference v2 that do not fit their shapes or datatypes."""
    REQUEST_SYNTAX = "RequestNotJSON"
    """Nor the CSV or protobuf that its content type says."""
    REQUEST_SHAPE = "RequestShape"
    """JSON, but not the serving schema's columns."""
    RESPONSE_SYNTAX = "ResponseNotJSON"
    """Nor the protobuf or events that its content type says."""
    RESPONSE_SHAPE = "ResponseShape"
    """JSON, but not as many rows as the request, or no outputs."""
    INTERNAL = "Internal"
    """A fault of the decoder."""


class LatencyCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Latencies in seconds, counted in logarithmic buckets.

    Bucket `i` holds values in (gamma**(i-1), gamma**i]; see `core.counting.latency`.
    """

    buckets: dict[int, int] = {}
    """Bucket index → count."""
    count: int = 0
    total: float = 0.0
    """Sum in seconds."""


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened on the wire, whether or not the bodies were understood."""

    seen: int = 0
    """Requests whose end was seen (response finished, or connection ended after the request)."""
    decoded: int = 0
    """Requests whose request body, and response body where there is one, became rows."""
    sampled: int = 0
    """Requests picked for decoding."""
    undecodable: dict[str, int] = {}
    """Reason (a fixed, small set) → sampled requests that could not be decoded."""
    codes: dict[str, int] = {}
    """HTTP status code (`"200"`), `grpc-<code>`, `none`, or `other` → requests."""
    protocols: dict[str, int] = {}
    """`<port name>/<protocol>` → decoded requests: what Auto took the traffic for."""


class GenerationCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What text generation used and how it ended; never the text."""

    requests: int = 0
    """Decoded generations."""
    streamed: int = 0
    """Those whose answer came as events."""
    uncounted: int = 0
    """Those whose answer did not say how many tokens they took; left out of both sums."""
    promptTokens: int = 0
    completionTokens: int = 0
    finishReasons: dict[str, int] = {}
    """Reason as the server names it, of a known few, else `other` → choices."""


class MarkCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a column's values lie about one value that a metric asks for."""

    value: float
    below: int = 0
    at: int = 0
    """Values that are equal to it."""


class ColumnCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column's values in one pane."""

    rows: int = 0
    """Rows in which the column was looked for: present + missing + mismatched."""
    missing: int = 0
    """Absent, null or NaN."""
    mismatched: int = 0
    """Values of the wrong type (text where a number belongs, or the other way round)."""
    infinite: int = 0
    """Positive or negative infinity; also counted in the first or last cell."""
    below: int = 0
    """Numbers below the baseline's minimum."""
    above: int = 0
    """Numbers above the baseline's maximum."""
    unknown: int = 0
    """Categories that the baseline does not list (new ones, or its rest class)."""
    cells: list[int] = []
    """Numeric: counts in (cut[i-1], cut[i]], length cuts + 1; a value equal to a cut lies in the
    cell that ends there. Categorical: counts by the baseline's category order, then the rest."""
    total: float = 0.0
    """Sum of finite numbers; those beyond 1e100 are left out of both sums."""
    squares: float = 0.0
    """Sum of squares of finite numbers."""
    sketch: bytes = b""
    """KLL sketch of finite numbers, serialized; for display and re-baselining only. The library
    does not survive every payload: it must not be read from a pod that may lie."""
    novel: dict[str, int] = {}
    """Categorical: values that the baseline does not list → rows, the most frequent `MAX_NOVEL`
    or so. In clear where `CollectorConfiguration.reveal` names the column, else a keyed hash."""
    distinct: bytes = b""
    """Text: HyperLogLog of keyed hashes, as `core.statistics.distinct` writes it. Of text nothing
    else is counted but lengths: `cells`, `total`, `squares`, `below`, `above` and `sketch` are of
    characters."""
    empty: int | None = None
    """Text and categorical: texts without a character that is no space; they are values, not
    missing. None: they were not counted."""
    marks: list[MarkCounts] = []
    """Numbers, or lengths of text: those of `ColumnConfiguration.marks`."""


class DistinctCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many different ones there are among some values."""

    values: int = 0
    sketch: bytes = b""
    """HyperLogLog of keyed hashes with `core.statistics.distinct.FINE` registers."""


class NameCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What requests call their inputs."""

    requests: int = 0
    """Those that name them; tensors without names of columns do not."""
    unexpected: dict[str, int] = {}
    """Names that the baseline does not know and half of the requests have → requests."""


class ClassScores(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The scores of one class: the probabilities that the model gave it."""

    other: list[int] = []
    """Rows of which the model predicted another class, by cell of the score: counts in
    (edge[i-1], edge[i]], length edges + 1."""
    this: list[int] = []
    """The same of rows of which it predicted this class."""
    otherTotal: float = 0.0
    """Sum of the scores of those rows."""
    otherSquares: float = 0.0
    thisTotal: float = 0.0
    thisSquares: float = 0.0


class ScoreCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the scores of whole answers say, in the cells of `CollectorConfiguration.scores`."""

    rows: int = 0
    """Answers that hold prediction and scores: counted + unusable + unknown."""
    unusable: int = 0
    """Those without a prediction, or of which a score is missing or no probability."""
    unknown: int = 0
    """Those that predict a class which the baseline does not know."""
    classes: list[ClassScores] = []
    """In the configuration's order."""


class MomentCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sums over whole rows (`core.counting.moments`); of arrays, float64 in little-endian order."""

    rows: int = 0
    """Complete rows: every column had a finite number."""
    skipped: int = 0
    """The others."""
    sums: bytes = b""
    """Of each element, shape `(width,)`."""
    products: bytes = b""
    """Of each pair of elements, the upper triangle row by row, shape `(width (width + 1) / 2,)`."""
    fourths: bytes = b""
    """Of the fourth power of each element, shape `(width,)`."""
    errors: float = 0.0
    """Of the squared distance between the vector and its projection on the components."""
    errorSquares: float = 0.0


class Pane(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One replica × one interval."""

    schema: int = PANE_SCHEMA
    monitorUID: str
    podUID: str
    bootID: str
    """Random per process start; (bootID, seq) names a pane once and for all."""
    seq: int
    """Counts up by one within a bootID, from 1."""
    start: float
    """Seconds since the epoch, a multiple of `interval`."""
    end: float
    """start + interval, or earlier for a final pane."""
    interval: float
    final: bool = False
    """The last pane of this process."""
    configDigest: str = ""
    baselineDigest: str = ""
    """Digest of the profile whose cut points were used; empty: bodies were not decoded."""
    model: str = ""
    modelVersion: str = ""
    revision: str = ""
    """pod-template-hash (or controller-revision-hash) of the pod."""
    forwardedBytes: int = 0
    copiedBytes: int = 0
    droppedBytes: int = 0
    observerGapSeconds: float = 0.0
    """Time within the interval that this pane does not cover: no observer was attached, or it
    counted under another configuration."""
    requests: RequestCounts = RequestCounts()
    latency: dict[str, LatencyCounts] = {}
    """`Response`, `FirstByte` and `FirstToken` → latencies."""
    columns: dict[str, ColumnCounts] = {}
    generation: GenerationCounts | None = None
    """Of text generation; None: there was none."""
    distinct: dict[str, DistinctCounts] = {}
    """Column → different values, of the columns that a metric asks for; `ROWS` → whole rows."""
    alike: dict[str, str] | None = None
    """Column → keyed hash of the only value that it has, of the columns that a metric asks for;
    None: nobody asked."""
    names: NameCounts | None = None
    """None: nobody asked."""
    scores: ScoreCounts | None = None
    """None: the configuration does not ask for them."""
    moments: dict[str, MomentCounts] = {}
    """View of the configuration → sums."""


class PanesReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer to `GET /v1/panes?after=<bootID>:<seq>&wait=<seconds>`.

    Reading never deletes. Without `after`, or with one whose boot is not retained, everything
    retained is returned. A reply is cut at about 2 MiB: poll again with its last pane.
    """

    now: float
    """The collector's clock, so that skew is measured."""
    bootID: str
    panes: list[Pane] = []
    """Closed panes after the cursor, oldest first."""
    lost: int = 0
    """Panes that retention (2 h or 8 MiB) dropped before they were read, since process start."""
    configDigest: str = ""
    """Digest of the configuration in force; empty: none yet."""
    pendingDigest: str = ""
    """Digest of a configuration that takes effect with the next pane; empty: none waits."""
    draining: bool = False
    """The process has been told to stop; the pane marked final is the last one."""


def encode(message: Pane | PanesReply) -> bytes:
    """Return a message as msgpack."""
    return msgspec.msgpack.encode(message)


class _EncodedReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reply whose panes are msgpack already; the fields are those of `PanesReply`."""

    now: float
    bootID: str
    panes: list[msgspec.Raw] = []
    lost: int = 0
    configDigest: str = ""
    pendingDigest: str = ""
    draining: bool = False


def encode_reply(reply: PanesReply, panes: Sequence[bytes]) -> bytes:
    """Return a reply as msgpack, with panes that are encoded already instead of its own."""
    return msgspec.msgpack.encode(
        _EncodedReply(
            now=reply.now,
            bootID=reply.bootID,
            panes=[msgspec.Raw(pane) for pane in panes],
            lost=reply.lost,
            configDigest=reply.configDigest,
            pendingDigest=reply.pendingDigest,
            draining=reply.draining,
        )
    )


def decode_reply(payload: bytes) -> PanesReply:
    """Return the reply that a collector sent.

    Raises
    ------
    msgspec.DecodeError
        If the payload is not msgpack or not a reply.
    """
    return msgspec.msgpack.decode(payload, type=PanesReply)


def decode_pane(payload: bytes) -> Pane:
    """Return one stored pane.

    Raises
    ------
    msgspec.DecodeError
        If the payload is not msgpack or not a pane.
    """
    return msgspec.msgpack.decode(payload, type=Pane)
