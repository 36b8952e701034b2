"""Collection: which traffic becomes statistics, and what the collector may use for that."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from modelmonitor.api.v1alpha1.base import (
    ARGUMENT_PATTERN,
    CPU_PATTERN,
    JSON_POINTER_PATTERN,
    MEMORY_PATTERN,
    NAME_PATTERN,
    VARIABLE_PATTERN,
    ApiModel,
    ColumnName,
    DecimalString,
    distinct,
    distinct_names,
    list_map,
    list_set,
    parse_cpu,
    parse_decimal,
    parse_memory,
)
from modelmonitor.api.v1alpha1.rules import rule

_Variable = Annotated[str, Field(min_length=1, max_length=128, pattern=VARIABLE_PATTERN)]
_Argument = Annotated[str, Field(min_length=2, max_length=128, pattern=ARGUMENT_PATTERN)]


class Protocol(StrEnum):
    """How the bodies on a port are decoded."""

    AUTO = "Auto"
    OPEN_INFERENCE = "OpenInference"
    KSERVE_V1 = "KServeV1"
    MLFLOW = "MLflow"
    OPENAI = "OpenAI"
    JSON = "JSON"


class TakeoverType(StrEnum):
    """How traffic for a port comes to the collector."""

    RENUMBER = "Renumber"
    SWAP = "Swap"
    USER_PORT = "UserPort"


class Derivation(StrEnum):
    """What is computed of an input."""

    TEXT_LENGTH = "TextLength"
    TOKEN_COUNT = "TokenCount"
    IMAGE_WIDTH = "ImageWidth"
    IMAGE_HEIGHT = "ImageHeight"
    IMAGE_BRIGHTNESS = "ImageBrightness"
    AUDIO_DURATION = "AudioDuration"
    AUDIO_VOLUME = "AudioVolume"


class Source(StrEnum):
    """Where requests and responses are seen."""

    TRAFFIC = "Traffic"
    CLOUD_EVENTS = "CloudEvents"


class Restart(StrEnum):
    """Whether the operator recreates pods so that they get a collector."""

    NEVER = "Never"
    ONCE = "Once"


class JSONPaths(ApiModel):
    """Where the rows of a request and the results of its response are."""

    rows: Annotated[str, Field(max_length=256, pattern=JSON_POINTER_PATTERN)] = Field(
        default="", description="JSON Pointer (RFC 6901) to the rows in a request's body."
    )
    results: Annotated[str, Field(max_length=256, pattern=JSON_POINTER_PATTERN)] = Field(
        default="", description="JSON Pointer (RFC 6901) to the results in a response's body."
    )


class Swap(ApiModel):
    """How the model server is told to listen elsewhere; exactly one of the two."""

    variable: _Variable | None = Field(
        default=None,
        description="Environment variable with the port, for example PORT or MLSERVER_HTTP_PORT.",
    )
    argument: _Argument | None = Field(
        default=None,
        description="Command line argument with the port, for example --http_port.",
    )

    @rule(
        "has(self.variable) != has(self.argument)",
        "name either the variable or the argument that tells the server its port",
    )
    def _is_one(self) -> bool:
        return (self.variable is None) != (self.argument is None)


class Takeover(ApiModel):
    """How traffic for a port comes to the collector; `type` says which member holds options."""

    type: TakeoverType = Field(
        default=TakeoverType.RENUMBER,
        description="Renumber: the named container port becomes the collector's, the model is "
        "untouched; Swap: the collector listens where the model did, and the model is told to "
        "listen elsewhere, for Services with a numeric targetPort; UserPort: Knative's queue-proxy "
        "is pointed at the collector.",
    )
    swap: Swap | None = Field(default=None, description="Options of type Swap, required there.")

    @rule(
        "(self.type == 'Swap') == has(self.swap)",
        "swap belongs to type Swap and is required there",
        at=".swap",
    )
    def _swap_fits_type(self) -> bool:
        return (self.type is TakeoverType.SWAP) == (self.swap is not None)


class CapturedPort(ApiModel):
    """A container port whose traffic is observed."""

    name: Annotated[str, Field(min_length=1, max_length=15, pattern=NAME_PATTERN)] = Field(
        description="Name of the container port; the Service's targetPort must use this name."
    )
    protocol: Protocol = Field(
        default=Protocol.AUTO,
        description="How bodies are read. Auto: decided from the traffic; OpenInference: v2 REST "
        "and gRPC; KServeV1: instances and predictions; MLflow: the scoring server's formats; "
        "OpenAI: chat and text completions; JSON: objects or arrays named like the baseline's "
        "columns.",
    )
    json_paths: JSONPaths | None = Field(
        default=None,
        description="Where rows and results are in bodies of protocol JSON; without it they are "
        "looked for at the top and under instances, inputs and data.",
    )
    takeover: Takeover = Field(
        default=Takeover(), description="How traffic for this port comes to the collector."
    )

    @rule(
        "!has(self.jsonPaths) || self.protocol == 'JSON'",
        "jsonPaths belongs to protocol JSON: set protocol to JSON",
        at=".jsonPaths",
    )
    def _paths_fit_protocol(self) -> bool:
        return self.json_paths is None or self.protocol is Protocol.JSON

    @rule(
        "self.name.matches('[a-z]')",
        "name the container port by its name, not by its number",
        at=".name",
    )
    def _is_no_number(self) -> bool:
        return not self.name.replace("-", "").isdigit()


class ModelSelector(ApiModel):
    """Which model on a server with several; requests for others are not this monitor's."""

    name: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Name of the model, as it stands in the request path."
    )


class DerivedColumn(ApiModel):
    """A number that is computed of an input, because the input's values are not counted."""

    name: ColumnName = Field(
        description="Name of the column, as in the baseline: `modelmonitor baseline build "
        "--derive NAME=DERIVATION:INPUT`."
    )
    from_: ColumnName = Field(alias="from", description="The input that it is computed of.")
    as_: Derivation = Field(
        alias="as",
        description="TextLength: characters; TokenCount: about as many tokens as a language model "
        "would count; ImageWidth and ImageHeight: pixels; ImageBrightness: mean luma, 0 to 1; "
        "AudioDuration: seconds of PCM in WAV; AudioVolume: root mean square, 0 to 1. Pictures "
        "and sounds come as bytes, base64 or, of pictures, pixels.",
    )


class Quantities(ApiModel):
    """Amounts of CPU and memory, as Kubernetes writes them."""

    cpu: Annotated[str, Field(max_length=20, pattern=CPU_PATTERN)] | None = Field(
        default=None, description='CPU in cores: thousandths such as "50m", or "0.5".'
    )
    memory: Annotated[str, Field(max_length=20, pattern=MEMORY_PATTERN)] | None = Field(
        default=None, description='Memory in bytes, for example "96Mi".'
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

    @rule(
        "!has(self.requests.cpu) || !has(self.limits.cpu)"
        " || !quantity(self.requests.cpu).isGreaterThan(quantity(self.limits.cpu))",
        "the CPU request must not be above the CPU limit",
        at=".requests.cpu",
    )
    def _cpu_request_fits_limit(self) -> bool:
        if self.requests.cpu is None or self.limits.cpu is None:
            return True
        return parse_cpu(self.requests.cpu) <= parse_cpu(self.limits.cpu)

    @rule(
        "!has(self.requests.memory) || !has(self.limits.memory)"
        " || !quantity(self.requests.memory).isGreaterThan(quantity(self.limits.memory))",
        "the memory request must not be above the memory limit",
        at=".requests.memory",
    )
    def _memory_request_fits_limit(self) -> bool:
        if self.requests.memory is None or self.limits.memory is None:
            return True
        return parse_memory(self.requests.memory) <= parse_memory(self.limits.memory)


class Collection(ApiModel):
    """How traffic becomes statistics."""

    ports: Annotated[list[CapturedPort], AfterValidator(distinct_names)] = Field(
        min_length=1,
        max_length=4,
        description="The container ports that are observed.",
        json_schema_extra=list_map("name"),
    )
    model: ModelSelector | None = Field(
        default=None,
        description="Only requests for this model, on servers with several. One monitor per "
        "workload is supported so far, so that one model of a server can be watched.",
    )
    sample_ratio: DecimalString = Field(
        default="1",
        description="Share of requests whose bodies are decoded, above 0 and at most 1, for "
        'example "0.1"; every request is counted.',
    )
    source: Source = Field(
        default=Source.TRAFFIC,
        description="Traffic: the collector stands in the path and sees every byte; CloudEvents: "
        "it takes what the server's own logger sends to http://localhost:24189, and ports only "
        "say how bodies are read.",
    )
    reveal: Annotated[list[ColumnName], AfterValidator(distinct)] = Field(
        default=[],
        max_length=64,
        description="Categorical columns whose new values may be named in clear; those of all "
        "other columns are named by a keyed hash.",
        json_schema_extra=list_set(),
    )
    derived: Annotated[list[DerivedColumn], AfterValidator(distinct_names)] = Field(
        default=[],
        max_length=16,
        description="Numbers that are computed of inputs, such as the brightness of pictures. Of "
        "pictures and sounds the first 200 of each interval and pod are looked at.",
        json_schema_extra=list_map("name"),
    )
    restart: Restart = Field(
        default=Restart.NEVER,
        description="Once: pods without a collector are recreated one time, by an annotation of "
        "the workload's pod template, one workload at a time; Never: they get it when they are "
        "next recreated.",
    )
    resources: CollectorResources = Field(
        default=CollectorResources(), description="Resources of the collector container."
    )

    @rule(
        "0.0 < double(self.sampleRatio) && double(self.sampleRatio) <= 1.0",
        'sampleRatio must be above 0 and at most 1: write for example "0.1" for every tenth '
        "request",
        at=".sampleRatio",
    )
    def _is_ratio(self) -> bool:
        return 0.0 < parse_decimal(self.sample_ratio) <= 1.0
