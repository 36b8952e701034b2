"""The gateways in memory, with the rules of the real ones, and with a way to kill their user."""

import asyncio
import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelmonitor.api.v1alpha1.monitor import FIELD_MANAGER
from modelmonitor.controller.gateways.api_server import (
    MONITORS,
    Body,
    ObjectReference,
    ObjectVersion,
    Resource,
)
from modelmonitor.controller.gateways.collectors import CollectorAddress, Cursor
from modelmonitor.controller.gateways.errors import (
    AlreadyExistsError,
    ConflictError,
    GatewayError,
    PermanentError,
    TemporaryError,
)
from modelmonitor.core.times import format_time
from modelmonitor.core.wire.configuration import (
    CONTAINER_NAME,
    CollectorConfiguration,
    configuration_digest,
)
from modelmonitor.core.wire.pane import Pane, PanesReply
from tests.controller.virtual import BEGIN
from tests.support.kstatus import convention_breaks


class Killer:
    """Ends its user at a chosen call of any gateway, before or after its effect.

    From then on nothing answers any more, as for a process that is gone; the test drops the user.
    """

    def __init__(self, at: int | None = None, *, after_effect: bool = False) -> None:
        self.at = at
        self.after_effect = after_effect
        self.calls: list[str] = []
        self.dead = asyncio.Event()

    async def before(self, call: str) -> None:
        self.calls.append(call)
        if self.dead.is_set() or (len(self.calls) == self.at and not self.after_effect):
            await self._die()

    async def after(self) -> None:
        if len(self.calls) == self.at and self.after_effect:
            await self._die()

    async def _die(self) -> None:
        self.dead.set()
        await asyncio.get_running_loop().create_future()


@dataclass
class Cluster:
    """The objects of a cluster, kept across restarts of its users."""

    objects: dict[tuple[Resource, str, str], dict[str, Any]] = field(default_factory=dict)
    versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    created: list[tuple[str, str]] = field(default_factory=list)
    """Kind and name of everything that was ever created."""
    applied: list[tuple[str, str]] = field(default_factory=list)
    """Manager and name of every workload that an apply really changed."""
    evicted: list[str] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    """Conventions that a written status broke."""

    def put(self, resource: Resource, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace an object as its owner would, outside of what is tested."""
        stored = copy.deepcopy(dict(body))
        metadata = stored.setdefault("metadata", {})
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        before = self.objects.get((resource, namespace, name))
        number = next(self.versions)
        metadata["resourceVersion"] = str(number)
        old = {} if before is None else before["metadata"]
        metadata["uid"] = metadata.get("uid") or old.get("uid", f"uid-{number}")
        metadata.setdefault(
            "creationTimestamp",
            old.get("creationTimestamp", format_time(asyncio.get_running_loop().time() + BEGIN)),
        )
        if resource == MONITORS:
            changed = before is None or before["spec"] != stored["spec"]
            metadata["generation"] = old.get("generation", 0) + (1 if changed else 0)
            if before is not None and "status" not in stored:
                stored["status"] = before["status"]
            stored.setdefault("status", {"observedGeneration": -1})
        self.objects[resource, namespace, name] = stored
        return stored

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        del self.objects[resource, namespace, name]

    def all(self, resource: Resource) -> list[dict[str, Any]]:
        return [body for (kind, _, _), body in self.objects.items() if kind == resource]


def _selector(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if part)


def _field(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value[name]
    return value


class MemoryApiServer:
    """`ApiServer` on a `Cluster`, for one process."""

    def __init__(self, cluster: Cluster, killer: Killer) -> None:
        self._cluster = cluster
        self._killer = killer
        self.down = False
        self.refuse: dict[str, GatewayError] = {}
        """Name of an object → what its creation leads to."""
        self.refuse_list: dict[str, GatewayError] = {}
        """Kind → what listing it leads to."""
        self.refuse_try: dict[str, GatewayError] = {}
        """Kind → what a dry run leads to."""
        self.injects = True
        """Whether an injector answers."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        await self._enter(f"get {resource.kind}")
        return copy.deepcopy(self._cluster.objects.get((resource, namespace or "", name)))

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", fields: str = ""
    ) -> Sequence[Body]:
        await self._enter(f"list {resource.kind}")
        if resource.kind in self.refuse_list:
            raise self.refuse_list[resource.kind]
        wanted = _selector(labels)
        return [
            copy.deepcopy(body)
            for body in self._cluster.all(resource)
            if namespace in {None, body["metadata"].get("namespace")}
            and wanted.items() <= (body["metadata"].get("labels") or {}).items()
            and all(_field(body, path) == value for path, value in _selector(fields).items())
        ]

    async def get_version(
        self, resource: Resource, namespace: str | None, name: str
    ) -> ObjectVersion | None:
        body = await self.get(resource, namespace, name)
        if body is None:
            return None
        return ObjectVersion(body["metadata"]["uid"], body["metadata"]["resourceVersion"])

    async def list_references(
        self, resource: Resource, namespace: str | None
    ) -> Sequence[ObjectReference]:
        bodies = await self.list(resource, namespace)
        return [
            ObjectReference(
                body["metadata"].get("namespace", ""),
                body["metadata"]["name"],
                body["metadata"]["uid"],
            )
            for body in bodies
        ]

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        await self._enter(f"create {resource.kind}")
        name = body["metadata"]["name"]
        if name in self.refuse:
            raise self.refuse[name]
        if (resource, namespace, name) in self._cluster.objects:
            raise AlreadyExistsError(f"{resource.kind} {name} already exists")
        made = self._cluster.put(resource, body)
        self._cluster.created.append((resource.kind, name))
        await self._killer.after()
        return copy.deepcopy(made)

    async def try_create(self, resource: Resource, namespace: str, body: Body) -> Body:
        await self._enter(f"try {resource.kind}")
        if resource.kind in self.refuse_try:
            raise self.refuse_try[resource.kind]
        made = copy.deepcopy(dict(body))
        if resource.kind == "Job" and not body["spec"]["template"]["spec"].get("containers"):
            raise PermanentError("spec.template.spec.containers: Required value")
        if resource.kind == "Pod" and self.injects:
            made["spec"]["initContainers"] = [{"name": CONTAINER_NAME}]
        return made

    async def apply(self, resource: Resource, namespace: str, body: Body, manager: str) -> Body:
        await self._enter(f"apply {resource.kind}")
        stored = self._merged(resource, namespace, body)
        changed = stored["spec"] != self._present(resource, namespace, body)["spec"]
        if changed:
            stored["metadata"]["generation"] = stored["metadata"].get("generation", 0) + 1
            self._cluster.applied.append((manager, body["metadata"]["name"]))
        self._cluster.put(resource, stored)
        await self._killer.after()
        return copy.deepcopy(stored)

    async def try_apply(self, resource: Resource, namespace: str, body: Body, manager: str) -> None:
        await self._enter(f"try {resource.kind}")
        if resource.kind in self.refuse_try:
            raise self.refuse_try[resource.kind]
        self._merged(resource, namespace, body)

    def _present(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        present = self._cluster.objects.get((resource, namespace, body["metadata"]["name"]))
        if present is None or body["metadata"]["uid"] != present["metadata"]["uid"]:
            raise ConflictError("another object of that name")
        return present

    def _merged(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        stored = copy.deepcopy(self._present(resource, namespace, body))
        wanted = body["spec"]["template"]["metadata"]["annotations"]
        metadata = stored["spec"]["template"].setdefault("metadata", {})
        metadata["annotations"] = {**metadata.get("annotations", {}), **wanted}
        return stored

    async def replace(self, resource: Resource, namespace: str, body: Body) -> Body:
        await self._enter(f"replace {resource.kind}")
        name = body["metadata"]["name"]
        present = self._cluster.objects.get((resource, namespace, name))
        if present is None:
            raise PermanentError(f"{resource.kind} {name} not found")
        wanted = body["metadata"].get("resourceVersion")
        if wanted is not None and wanted != present["metadata"]["resourceVersion"]:
            raise ConflictError(f"{resource.kind} {name} has been modified")
        stored = self._cluster.put(resource, body)
        await self._killer.after()
        return copy.deepcopy(stored)

    async def apply_status(self, resource: Resource, namespace: str, body: Body) -> Body:
        await self._enter(f"status {resource.kind}")
        metadata = body["metadata"]
        present = self._cluster.objects.get((resource, namespace, metadata["name"]))
        if present is None:
            raise ConflictError(f"{resource.kind} {metadata['name']} not found")
        if metadata.get("uid", present["metadata"]["uid"]) != present["metadata"]["uid"]:
            raise ConflictError("another object of that name")
        version = present["metadata"]["resourceVersion"]
        if metadata.get("resourceVersion", version) != version:
            raise ConflictError(f"{resource.kind} {metadata['name']} has been modified")
        stored = self._cluster.put(resource, {**present, "status": copy.deepcopy(body["status"])})
        stored["metadata"]["managedFields"] = [{"manager": FIELD_MANAGER}]
        self._cluster.breaks += convention_breaks(stored)
        await self._killer.after()
        return copy.deepcopy(stored)

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        await self._enter("evict")
        self._cluster.evicted.append(pod)
        await self._killer.after()

    async def _enter(self, call: str) -> None:
        await self._killer.before(call)
        await asyncio.sleep(0.001)
        if self.down:
            raise TemporaryError("the API server did not answer")


class MemoryStore:
    """`ObjectStore` on a dictionary that outlives its users."""

    def __init__(self, objects: dict[str, bytes], killer: Killer) -> None:
        self._objects = objects
        self._killer = killer
        self.down = False

    async def put(self, name: str, payload: bytes) -> None:
        await self._enter("put")
        self._objects[name] = payload
        await self._killer.after()

    async def get(self, name: str) -> bytes | None:
        await self._enter("read")
        return self._objects.get(name)

    async def list(self, prefix: str) -> Sequence[str]:
        await self._enter("names")
        return sorted(name for name in self._objects if name.startswith(f"{prefix}/"))

    async def folders(self, prefix: str) -> Sequence[str]:
        names = await self.list(prefix)
        return sorted({name.removeprefix(f"{prefix}/").split("/")[0] for name in names})

    async def delete(self, names: Sequence[str]) -> None:
        await self._enter("delete")
        for name in names:
            self._objects.pop(name, None)

    async def _enter(self, call: str) -> None:
        await self._killer.before(call)
        if self.down:
            raise TemporaryError("the store did not answer")


@dataclass
class FakeCollector:
    """One collector process: panes that are closed by the test, kept until the end."""

    pod_uid: str
    boot_id: str
    panes: list[Pane] = field(default_factory=list)
    configuration: CollectorConfiguration | None = None
    draining: bool = False
    reachable: bool = True
    mute: bool = False
    """It answers, but closes no pane."""
    acknowledged: int = 0
    """Last sequence number that a pull named as read."""

    def close(self, pane: Pane) -> None:
        if not self.mute:
            self.panes.append(pane)

    @property
    def next_seq(self) -> int:
        return len(self.panes) + 1


class MemoryCollectors:
    """`Collectors` on `FakeCollector`s, by pod UID."""

    def __init__(self, collectors: dict[str, FakeCollector], killer: Killer) -> None:
        self._collectors = collectors
        self._killer = killer

    async def pull(
        self, address: CollectorAddress, after: Cursor | None, wait: float = 0.0
    ) -> PanesReply:
        await self._killer.before("pull")
        collector = self._reach(address)
        seq = after.seq if after is not None and after.boot_id == collector.boot_id else 0
        collector.acknowledged = max(collector.acknowledged, seq)
        deadline = asyncio.get_running_loop().time() + wait
        while len(collector.panes) <= seq and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            self._reach(address)
        configuration = collector.configuration
        return PanesReply(
            now=BEGIN + asyncio.get_running_loop().time(),
            bootID=collector.boot_id,
            panes=collector.panes[seq:],
            configDigest="" if configuration is None else configuration_digest(configuration),
            draining=collector.draining,
        )

    async def configure(
        self, address: CollectorAddress, configuration: CollectorConfiguration
    ) -> None:
        await self._killer.before("configure")
        self._reach(address).configuration = configuration
        await self._killer.after()

    def _reach(self, address: CollectorAddress) -> FakeCollector:
        collector = self._collectors.get(address.pod_uid)
        if collector is None or not collector.reachable:
            raise TemporaryError(f"the collector of pod {address.pod} does not answer")
        return collector
