"""The cluster's own kubectl, as its administrator."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .settings import Settings
from .shell import Argument, run, succeeds

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig."""

    program: Path
    kubeconfig: Path

    def __call__(self, *arguments: Argument, stdin: str | None = None) -> str:
        """Run kubectl and return its output; raises ``ClusterError`` if it fails."""
        return run(*self._command(*arguments), stdin=stdin)

    def succeeds(self, *arguments: Argument) -> bool:
        """Tell whether a kubectl command exits with 0."""
        return succeeds(*self._command(*arguments))

    def get(self, *arguments: Argument) -> Any:
        """Return what ``kubectl get … -o json`` answers."""
        return json.loads(self("get", *arguments, "-o", "json"))

    def apply(self, *manifests: Manifest) -> None:
        """Apply objects on the server's side."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        force = ("--server-side", "--force-conflicts")
        self("apply", *force, "-f", "-", stdin=json.dumps(items))

    def apply_file(self, path: Path) -> None:
        """Apply a file of manifests."""
        self("apply", "--server-side", "--force-conflicts", "-f", path)

    def _command(self, *arguments: Argument) -> tuple[Argument, ...]:
        return (self.program, "--kubeconfig", self.kubeconfig, *arguments)


def administrator(settings: Settings) -> Kubectl:
    """Return kubectl as the administrator of the cluster."""
    return Kubectl(settings.programs / "kubectl", settings.kubeconfig)
