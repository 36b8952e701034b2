"""Collection: which traffic becomes statistics, and what the collector may use for that."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from modelmonitor.api.v1alpha1.base import (
    CPU_PATTERN,
    MEMORY_PATTERN,
    NAME_PATTERN,
    ApiModel,
    DecimalString,
    distinct_names,
    list_map,
    parse_cpu,
    parse_decimal,
    parse_memory,
)
from modelmonitor.api.v1alpha1.rules import rule


class Protocol(StrEnum):
    """How the bodies on a port are decoded."""

    AUTO = "Auto"
    OPEN_INFERENCE = "OpenInference"
    JSON = "JSON"


class CapturedPort(ApiModel):
    """A container port whose traffic is observed."""

    name: Annotated[str, Field(min_length=1, max_length=15, pattern=NAME_PATTERN)] = Field(
        description="Name of the container port; the Service's targetPort must use this name."
    )
    protocol: Protocol = Field(
        default=Protocol.AUTO,
        description="Auto: decided from the traffic; OpenInference: v2 REST JSON; JSON: objects "
        "or arrays named like the baseline's columns.",
    )

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
