"""The API server as this operator uses it: few verbs, objects as the API server spells them.

Objects go in and out as JSON; `reconcile.objects` parses them once. `gateways.kubernetes` is the
real implementation; the tests have one in memory with the same rules for `resourceVersion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from modelmonitor.api.v1alpha1.monitor import GROUP, PLURAL, VERSION

Body = Mapping[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object and where its API lives."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str = "") -> str:
        """Return the URL path of an object, or of the list without a name."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


MONITORS: Final = Resource(GROUP, VERSION, PLURAL, "ModelMonitor")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
REPLICA_SETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
PODS: Final = Resource("", "v1", "pods", "Pod")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace")
EVENTS: Final = Resource("", "v1", "events", "Event")
NETWORK_POLICIES: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
SERVICES: Final = Resource("", "v1", "services", "Service")
LIMIT_RANGES: Final = Resource("", "v1", "limitranges", "LimitRange")
QUOTAS: Final = Resource("", "v1", "resourcequotas", "ResourceQuota")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """Name and UID of an object in a list of names."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One state of an object: equal versions mean equal content."""

    uid: str
    resource_version: str


class ApiServer(Protocol):
    """What the controller asks of the API server.

    Every call has a timeout. A missing object is None; every other failure is a `GatewayError`.
    """

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        """Return an object, or None if there is none."""
        ...

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", fields: str = ""
    ) -> Sequence[Body]:
        """Return the objects of a namespace (None: of all) that both selectors pick."""
        ...

    async def get_version(
        self, resource: Resource, namespace: str | None, name: str
    ) -> ObjectVersion | None:
        """Return what tells whether an object has changed, without its content; None if absent."""
        ...

    async def list_references(
        self, resource: Resource, namespace: str | None
    ) -> Sequence[ObjectReference]:
        """Return only names and UIDs, for thousands of objects."""
        ...

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        """Create an object.

        Raises
        ------
        AlreadyExistsError
            If an object of that name exists.
        """
        ...

    async def try_create(self, resource: Resource, namespace: str, body: Body) -> Body:
        """Return the object that would be created (dry run); raises as `create` does."""
        ...

    async def apply(self, resource: Resource, namespace: str, body: Body, manager: str) -> Body:
        """Apply fields of an object on the server side, as a field manager.

        Raises
        ------
        ConflictError
            If another manager owns one of the fields, or the object has another UID.
        """
        ...

    async def try_apply(self, resource: Resource, namespace: str, body: Body, manager: str) -> None:
        """Ask whether fields would be applied (dry run); raises as `apply` does."""
        ...

    async def replace(self, resource: Resource, namespace: str, body: Body) -> Body:
        """Replace an object.

        Raises
        ------
        ConflictError
            If `metadata.resourceVersion` in the body is no longer the object's.
        """
        ...

    async def apply_status(self, resource: Resource, namespace: str, body: Body) -> Body:
        """Apply the status on the server side, as the field manager `modelmonitor`.

        Raises
        ------
        ConflictError
            If the object is gone, or no longer has the body's `metadata.resourceVersion`.
        """
        ...

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """Evict a pod if it still has this UID; a pod that is gone is a success."""
        ...
