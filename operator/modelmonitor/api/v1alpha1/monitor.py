"""The ModelMonitor kind itself, parsed once at the edge."""

from typing import Annotated, Final

from pydantic import Field

from modelmonitor.api.v1alpha1.base import ApiModel, SubdomainName
from modelmonitor.api.v1alpha1.rules import rule
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.api.v1alpha1.status import ModelMonitorStatus

GROUP: Final = "modelmonitor.dev"
VERSION: Final = "v1alpha1"
PLURAL: Final = "modelmonitors"
KIND: Final = "ModelMonitor"
MAX_NAME_LENGTH: Final = 40
"""Longest name of a monitor; Jobs and pods get longer names made from it."""
FIELD_MANAGER: Final = "modelmonitor"

MONITOR_LABEL: Final = f"{GROUP}/monitor"
"""Pod label: the name of the monitor whose collector the pod carries."""
INJECTED_ANNOTATION: Final = f"{GROUP}/injected"
"""Pod annotation: version and image digest of the injected collector."""
INJECT_ANNOTATION: Final = f"{GROUP}/inject"
"""Pod template annotation: inject for this monitor even before it is known."""
INJECTION_LABEL: Final = f"{GROUP}/injection"
"""Namespace label; the value `enabled` lets pods be injected."""


class ObjectMeta(ApiModel):
    """The metadata that the operator uses."""

    name: SubdomainName
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    annotations: Annotated[dict[str, str], Field(default_factory=dict)]
    labels: Annotated[dict[str, str], Field(default_factory=dict)]


class ModelMonitor(ApiModel):
    """A ModelMonitor as the API server returns it."""

    api_version: str = f"{GROUP}/{VERSION}"
    kind: str = KIND
    metadata: ObjectMeta
    spec: ModelMonitorSpec
    status: ModelMonitorStatus = Field(default=ModelMonitorStatus())

    @rule(
        "self.metadata.name.size() <= 40",
        "metadata.name must be at most 40 characters long: Jobs get names made from it",
        at=".metadata.name",
    )
    def _name_leaves_room(self) -> bool:
        return len(self.metadata.name) <= MAX_NAME_LENGTH
