"""Where the story takes place: the local cluster, kind, or whatever `kubectl` talks to.

A platform brings a Kubernetes, and the three images onto its nodes; it takes away what it made.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from demo.story.flights import Flights
from demo.story.images import CHECKOUT, Images, build_with_docker, docker, named, version
from demo.story.install import NAMESPACE as OPERATOR_NAMESPACE
from demo.story.install import Installation
from demo.story.kubectl import Body, Kubectl, find_program

KIND_CLUSTER: Final = "modelmonitor-demo"
KIND_KUBECONFIG: Final = CHECKOUT / ".state" / "kind.kubeconfig"
IMAGE_VARIABLES: Final = ("OPERATOR_IMAGE", "COLLECTOR_IMAGE", "DEMO_IMAGE")
REGISTRY_VARIABLE: Final = "REGISTRY"
OURS: Final = {"app.kubernetes.io/created-by": "modelmonitor-demo"}
"""Label of the operator's namespace in the reader's cluster, if the demo has made it."""

Environment = Mapping[str, str]


class PlatformError(RuntimeError):
    """The place cannot be used; the message says what to do."""


class Platform(Protocol):
    """A place for the story."""

    def up(self) -> None:
        """Start the Kubernetes, or find that it is there."""

    def images(self) -> Images:
        """Build the images unless they are there, and bring them to the nodes."""

    def down(self) -> None:
        """Take away all that the demo has made, the Kubernetes too if it was made for it."""

    @property
    def environment(self) -> Environment:
        """The environment in which `kubectl` and `helm` reach it."""

    @property
    def exports(self) -> dict[str, str]:
        """What the reader sets in a shell to reach it; empty if nothing."""

    @property
    def programs(self) -> tuple[Path, ...]:
        """Folders with programs that come with it."""


def choose(name: str, environment: Environment) -> Platform:
    """Return the platform that `CLUSTER` names.

    Without a name it is the local cluster where that can run (Linux, root), else kind.

    Raises
    ------
    PlatformError
        If there is none of that name, or none can run here.
    """
    local = sys.platform == "linux" and os.geteuid() == 0
    kind = shutil.which("kind", path=environment.get("PATH", "")) is not None
    chosen = name or ("local" if local else "kind" if kind else "")
    if chosen == "kind":
        return Kind(environment)
    if chosen == "current":
        return Current(environment)
    if chosen not in {"local", ""}:
        raise PlatformError(f"CLUSTER={name}: write local, kind or current")
    if not local:
        raise PlatformError(
            "the local cluster needs Linux and root: run `sudo make demo`, install kind, or use "
            "your own cluster with `make demo CLUSTER=current`"
        )
    return Local(environment)


@dataclass(frozen=True)
class Local:
    """The project's own cluster of two nodes, from namespaces of this machine.

    Attributes
    ----------
    base
        The environment that it is started from.
    """

    base: Environment = field(default_factory=lambda: dict(os.environ))

    def up(self) -> None:
        """Start or repair it; what it is made of is compiled once."""
        self._cluster("up")

    def images(self) -> Images:
        """Build with buildah and load onto both nodes, unless that has been done."""
        collector, operator, demo = self._cluster("build-images", "--demo", "--load").split()
        return Images(operator, collector, demo)

    def down(self) -> None:
        """Switch it off; nothing of it is left."""
        self._cluster("down")

    @property
    def environment(self) -> Environment:
        """The cluster brings its own `kubectl` and `helm`."""
        path = os.pathsep.join([*map(str, self.programs), self.base.get("PATH", "")])
        return {**self.base, **self.exports, "PATH": path}

    @property
    def exports(self) -> dict[str, str]:
        """The cluster's own kubeconfig."""
        return {"KUBECONFIG": self._cluster("kubeconfig").strip()}

    @property
    def programs(self) -> tuple[Path, ...]:
        """`kubectl` and `helm`, compiled for it."""
        return (Path(self.exports["KUBECONFIG"]).parent / "bin",)

    def _cluster(self, *arguments: str) -> str:
        program = [sys.executable, str(CHECKOUT / "tests" / "cluster"), *arguments]
        return _output(program, self.base)


@dataclass(frozen=True)
class Kind:
    """A cluster of kind's, with a kubeconfig of its own, so that no other one is touched.

    Attributes
    ----------
    base
        The environment with `kind`, `docker`, `kubectl` and `helm`.
    """

    base: Environment = field(default_factory=lambda: dict(os.environ))

    def up(self) -> None:
        """Create the cluster unless it exists."""
        if KIND_CLUSTER not in self._kind("get", "clusters").split():
            self._kind("create", "cluster", *self._named, "--wait", "180s", *self._kubeconfig)
        self._kind("export", "kubeconfig", *self._named, *self._kubeconfig)

    def images(self) -> Images:
        """Build with docker and load into the nodes."""
        images = named("localhost", version())
        build_with_docker(images, self.base)
        self._kind("load", "docker-image", *images.all(), *self._named)
        return images

    def down(self) -> None:
        """Delete the cluster."""
        self._kind("delete", "cluster", *self._named, *self._kubeconfig)
        KIND_KUBECONFIG.unlink(missing_ok=True)

    @property
    def environment(self) -> Environment:
        """The cluster's own kubeconfig."""
        return {**self.base, **self.exports}

    @property
    def exports(self) -> dict[str, str]:
        """The cluster's own kubeconfig."""
        return {"KUBECONFIG": str(KIND_KUBECONFIG)}

    @property
    def programs(self) -> tuple[Path, ...]:
        """None: the reader has them all."""
        return ()

    @property
    def _named(self) -> tuple[str, str]:
        return "--name", KIND_CLUSTER

    @property
    def _kubeconfig(self) -> tuple[str, str]:
        return "--kubeconfig", str(KIND_KUBECONFIG)

    def _kind(self, *arguments: str) -> str:
        KIND_KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
        return _output([find_program("kind", self.base), *arguments], self.base)


@dataclass(frozen=True)
class Current:
    """The cluster that `kubectl` talks to.

    Its nodes pull the images: either the three that `OPERATOR_IMAGE`, `COLLECTOR_IMAGE` and
    `DEMO_IMAGE` name, or those that are built and pushed to `REGISTRY`.

    Attributes
    ----------
    base
        The environment that decides the cluster.
    """

    base: Environment = field(default_factory=lambda: dict(os.environ))

    def up(self) -> None:
        """Mark the place for modelmonitor as the demo's own.

        Raises
        ------
        PlatformError
            If modelmonitor is there already: the demo would replace it, and remove it at the end.
        """
        kubectl = Kubectl(self.base)
        found = kubectl.get("namespaces", "--field-selector", f"metadata.name={OPERATOR_NAMESPACE}")
        if any(not _is_ours(namespace) for namespace in found["items"]):
            raise PlatformError(
                f"modelmonitor is in this cluster already (namespace {OPERATOR_NAMESPACE}), and "
                "the demo would replace it: use another cluster"
            )
        metadata = {"name": OPERATOR_NAMESPACE, "labels": OURS}
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))

    def images(self) -> Images:
        """Return the named images, or build and push them."""
        given = [self.base.get(variable, "") for variable in IMAGE_VARIABLES]
        if all(given):
            return Images(*given)
        registry = self.base.get(REGISTRY_VARIABLE, "")
        if not registry:
            raise PlatformError(
                "your cluster must be able to pull the images: set REGISTRY to one that you can "
                "push to (make demo CLUSTER=current REGISTRY=registry.example.com/me), or set "
                f"{', '.join(IMAGE_VARIABLES)} to images that exist"
            )
        images = named(registry, version())
        build_with_docker(images, self.base)
        for image in images.all():
            docker(self.base, "push", image)
        return images

    def down(self) -> None:
        """Remove the flights, and modelmonitor if the demo has installed it; leave all else."""
        kubectl = Kubectl(self.base)
        Flights(kubectl).remove()
        found = kubectl.get("namespaces", "--field-selector", f"metadata.name={OPERATOR_NAMESPACE}")
        if any(_is_ours(namespace) for namespace in found["items"]):
            Installation(self.base).remove(kubectl)

    @property
    def environment(self) -> Environment:
        """The reader's own."""
        return self.base

    @property
    def exports(self) -> dict[str, str]:
        """Nothing: the reader is there already."""
        return {}

    @property
    def programs(self) -> tuple[Path, ...]:
        """None: the reader has them all."""
        return ()


def _is_ours(namespace: Body) -> bool:
    labels: dict[str, str] = namespace["metadata"].get("labels", {})
    return OURS.items() <= labels.items()


def _output(command: list[str], environment: Environment) -> str:
    """Return what a command prints; its messages go on to the reader."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise PlatformError(f"{' '.join(command)} failed with code {done.returncode}")
    return done.stdout
