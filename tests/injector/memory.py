"""The API server in memory, with its rules for resourceVersion."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from modelmonitor.injector.api_server import (
    ApiServerError,
    Body,
    ConflictError,
    MonitorList,
    SecretData,
    TrustEntry,
    WatchEvent,
)

ROOT_KEY = "wOMS4fp0RSadV9VhzXdK8EgLc2ko36z4a-NZdtj91zc"
"""A public root key, as the controller publishes it."""


class MemoryApiServer:
    """`ApiServer` in memory."""

    def __init__(self) -> None:
        self.monitors: dict[tuple[str, str], Body] = {}
        self.version = 1
        self.events: asyncio.Queue[WatchEvent | Exception | None] = asyncio.Queue()
        """What the open watch delivers; an error breaks it, None ends it."""
        self.lists = 0
        self.watched_from: list[str] = []
        self.down: ApiServerError | None = None
        self.secrets: dict[str, SecretData] = {}
        self.config_maps: dict[str, Mapping[str, str]] = {}
        self.trust: dict[str, Sequence[TrustEntry]] = {}

    async def list_monitors(self, namespace: str | None) -> MonitorList:
        self._check()
        self.lists += 1
        items = [body for (place, _), body in self.monitors.items() if namespace in {None, place}]
        return MonitorList(items, str(self.version))

    async def watch_monitors(
        self, namespace: str | None, resource_version: str
    ) -> AsyncIterator[WatchEvent]:
        self._check()
        self.watched_from.append(resource_version)
        while (event := await self.events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    def put(self, body: Body) -> None:
        """Store a monitor, without an event."""
        metadata = body["metadata"]
        self.monitors[metadata["namespace"], metadata["name"]] = body

    async def get_secret(self, name: str) -> SecretData | None:
        self._check()
        return self.secrets.get(name)

    async def put_secret(
        self, name: str, data: Mapping[str, bytes], resource_version: str | None
    ) -> None:
        self._check()
        present = self.secrets.get(name)
        if (present and present.resource_version) != resource_version:
            raise ConflictError(f"{name} was written by somebody else")
        self.version += 1
        self.secrets[name] = SecretData(dict(data), str(self.version))

    async def get_config_map(self, name: str) -> Mapping[str, str] | None:
        self._check()
        return self.config_maps.get(name)

    async def get_trust(self, configuration: str) -> Sequence[TrustEntry] | None:
        self._check()
        return self.trust.get(configuration)

    async def put_trust(self, configuration: str, entries: Sequence[TrustEntry]) -> None:
        self._check()
        names = [entry.name for entry in self.trust.get(configuration, ())]
        if names != [entry.name for entry in entries]:
            raise ConflictError("the webhooks are others now")
        self.trust[configuration] = list(entries)

    def _check(self) -> None:
        if self.down is not None:
            raise self.down
