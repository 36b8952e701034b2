"""What the commands ask of a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from modelmonitor.cli.errors import CommandError

Body = dict[str, Any]


class AccessDeniedError(CommandError):
    """The user may not do this; other questions may still be answered."""


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of object, and where its API lives."""

    api_version: str
    plural: str
    name: str
    namespaced: bool = True


NAMESPACES: Final = ObjectKind("v1", "namespaces", "Namespace", namespaced=False)
PODS: Final = ObjectKind("v1", "pods", "Pod")
SERVICES: Final = ObjectKind("v1", "services", "Service")
LIMIT_RANGES: Final = ObjectKind("v1", "limitranges", "LimitRange")
QUOTAS: Final = ObjectKind("v1", "resourcequotas", "ResourceQuota")
NETWORK_POLICIES: Final = ObjectKind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
DEPLOYMENTS: Final = ObjectKind("apps/v1", "deployments", "Deployment")
STATEFUL_SETS: Final = ObjectKind("apps/v1", "statefulsets", "StatefulSet")


class Objects(Protocol):
    """Where objects are read: a cluster, or files; every method raises `CommandError`."""

    @property
    def namespace(self) -> str:
        """The namespace that is meant where none is given."""
        ...

    def monitors(self, namespace: str | None) -> list[Body]:
        """Return the monitors of one namespace, or of all for None."""
        ...

    def find(self, kind: ObjectKind, namespace: str, name: str) -> Body | None:
        """Return one object, None if there is none of this name; `namespace` may not matter."""
        ...

    def objects(
        self, kind: ObjectKind, namespace: str, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """Return the objects of a namespace, those with these labels only."""
        ...


class Cluster(Objects, Protocol):
    """What the commands ask of a cluster; every method raises `CommandError`."""

    def monitor(self, namespace: str, name: str) -> Body:
        """Return one monitor."""
        ...

    def apply_config_map(
        self, namespace: str, name: str, data: Mapping[str, str], *, force: bool
    ) -> None:
        """Apply the data of a ConfigMap; `force` takes fields over from their managers."""
        ...
