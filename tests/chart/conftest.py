"""Rendering the chart with the real helm."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
NAMESPACE = "modelmonitor-system"
KUBERNETES = "1.35.0"


@dataclass(frozen=True)
class Rendered:
    """What `helm template` made of some values."""

    text: str
    objects: tuple[Manifest, ...]

    def of_kind(self, *kinds: str) -> list[Manifest]:
        """Return the objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, kind: str, name: str) -> Manifest:
        """Return the object of this kind and name."""
        found = [one for one in self.of_kind(kind) if one["metadata"]["name"] == name]
        assert len(found) == 1, f"{kind} {name} is there {len(found)} times"
        return found[0]

    def pod_specs(self) -> Iterator[Manifest]:
        """Yield the pod spec of every workload."""
        for one in self.of_kind("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield one["spec"]["template"]["spec"]


@dataclass(frozen=True)
class Refused:
    """What helm said against some values."""

    message: str


class Helm:
    """The helm program and our chart."""

    def __init__(self, program: Path, chart: Path) -> None:
        self._program = program
        self._chart = chart

    def lint(self, *arguments: str) -> str:
        """Return what `helm lint --strict` says; fails the test if it finds an error."""
        done = self._run("lint", str(self._chart), "--strict", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def render(self, *arguments: str) -> Rendered:
        """Return the rendered chart; fails the test if helm refuses."""
        done = self._template(arguments)
        assert done.returncode == 0, done.stderr
        return Rendered(
            text=done.stdout,
            objects=tuple(one for one in yaml.safe_load_all(done.stdout) if one),
        )

    def refuse(self, *arguments: str) -> Refused:
        """Return helm's complaint; fails the test if helm renders."""
        done = self._template(arguments)
        assert done.returncode != 0, "helm accepted the values"
        return Refused(message=done.stderr)

    def _template(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return self._run(
            *("template", "modelmonitor", str(self._chart), "--namespace", NAMESPACE),
            *("--kube-version", KUBERNETES, *arguments),
        )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, *arguments], capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="session")
def chart(root: Path) -> Path:
    """Return the chart's folder."""
    return root / "helm" / "modelmonitor"


@pytest.fixture(scope="session")
def helm(helm: Path, chart: Path) -> Helm:
    """Return helm, bound to the chart."""
    return Helm(helm, chart)


@pytest.fixture(scope="session")
def render(helm: Helm) -> Callable[..., Rendered]:
    """Return a function that renders the chart with `--set` values."""

    def with_values(*values: str) -> Rendered:
        return helm.render(*(argument for value in values for argument in ("--set", value)))

    return with_values
