"""A cluster in memory, and monitors to put there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from rich.console import Console

from modelmonitor.cli.cluster import AccessDeniedError, ObjectKind
from modelmonitor.cli.errors import CommandError

Body = dict[str, Any]


@dataclass
class MemoryCluster:
    """implements `cli.cluster.Cluster` over dictionaries."""

    namespace: str = "models"
    bodies: list[Body] = field(default_factory=list)
    config_maps: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    forced: list[tuple[str, str]] = field(default_factory=list)
    others: list[Body] = field(default_factory=list)
    """Objects of other kinds than ModelMonitor."""
    denied: set[str] = field(default_factory=set)
    """Kinds that the user may not read."""

    def monitors(self, namespace: str | None) -> list[Body]:
        return [body for body in self.bodies if namespace in {None, body["metadata"]["namespace"]}]

    def monitor(self, namespace: str, name: str) -> Body:
        for body in self.monitors(namespace):
            if body["metadata"]["name"] == name:
                return body
        raise CommandError(f"could not read ModelMonitor {namespace}/{name}: not found")

    def find(self, kind: ObjectKind, namespace: str, name: str) -> Body | None:
        found = self.objects(kind, namespace)
        return next((body for body in found if body["metadata"]["name"] == name), None)

    def objects(
        self, kind: ObjectKind, namespace: str, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        if kind.name in self.denied:
            raise AccessDeniedError(f"could not list {kind.plural}: forbidden")
        return [
            body
            for body in self.others
            if body["kind"] == kind.name
            and body["metadata"].get("namespace", namespace) == namespace
            and (labels or {}).items() <= body["metadata"].get("labels", {}).items()
        ]

    def apply_config_map(
        self, namespace: str, name: str, data: Mapping[str, str], *, force: bool
    ) -> None:
        self.config_maps[namespace, name] = dict(data)
        if force:
            self.forced.append((namespace, name))


@dataclass
class Screen:
    """A terminal of fixed width without colours."""

    console: Console = field(
        default_factory=lambda: Console(
            file=StringIO(), width=120, color_system=None, highlight=False, legacy_windows=False
        )
    )

    @property
    def text(self) -> str:
        """What has been printed, without the spaces at the ends of lines."""
        assert isinstance(self.console.file, StringIO)
        lines = self.console.file.getvalue().splitlines()
        return "\n".join(line.rstrip() for line in lines) + "\n"
