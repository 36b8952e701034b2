"""Compiling Kubernetes, CoreDNS, Helm and the node's first process from pinned Go modules.

A program is kept in the cache under a digest of everything that shapes it, so that a second
cluster, or a second checkout, compiles nothing.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .settings import COREDNS_IMAGE, KUBERNETES_VERSION, PAUSE_IMAGE, SOURCES, Settings
from .shell import log, run, step

HELM_VERSION = "v3.22.0"
KUBERNETES_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
# Static, and identical for every folder it is compiled in; changing these recompiles everything.
_BUILD = ("go", "build", "-trimpath", "-buildvcs=false")
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


@dataclass(frozen=True)
class Module:
    """A Go module below ``tests/cluster/go`` and the package of it that becomes a program."""

    name: str
    package: str
    variables: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Folder with the module's go.mod and go.sum."""
        return SOURCES / "go" / self.name

    @property
    def linker_flags(self) -> str:
        """Strip symbols and set the variables that hold the version."""
        values = [f"-X {name}={value}" for name, value in self.variables.items()]
        return " ".join(["-s", "-w", *values])


def _kubernetes_version() -> dict[str, str]:
    """Without these kubectl and Helm's capability checks see version v0.0.0."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


KUBE = Module("kube", ".", _kubernetes_version())
COREDNS = Module("coredns", ".", {})
HELM = Module(
    "helm",
    "helm.sh/helm/v3/cmd/helm",
    {"helm.sh/helm/v3/internal/version.version": HELM_VERSION},
)


@dataclass(frozen=True)
class Toolchain:
    """The compiled programs in a cache folder."""

    cache: Path

    @property
    def programs(self) -> Path:
        """Folder with ``helm``, ``kubectl``, ``etcd`` … under their usual names."""
        return self.cache / "bin"

    def build(self) -> None:
        """Compile whatever is missing."""
        self.kubernetes()
        self.helm()
        self.cluster_images()

    def kubernetes(self) -> Path:
        """Compile the binary of all Kubernetes programs and link their names to it."""
        binary = self._compile(KUBE)
        link_all(binary, self.programs, KUBERNETES_PROGRAMS)
        return binary

    def helm(self) -> Path:
        """Compile Helm."""
        binary = self._compile(HELM)
        link_all(binary, self.programs, ("helm",))
        return binary

    def install(self, settings: Settings) -> None:
        """Link the programs of a cluster into its folder."""
        link_all(self.kubernetes(), settings.programs, KUBERNETES_PROGRAMS)
        link_all(self.helm(), settings.programs, ("helm",))
        link_all(self.machine_init(), settings.programs, ("machine-init",))

    def machine_init(self) -> Path:
        """Compile the first process of machines and pods and return its path."""
        source = SOURCES / "native" / "init.c"
        target = self._keyed("machine-init", source.read_bytes())
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_suffix(".unfinished")
            run("gcc", "-static", "-Os", "-s", "-Wall", "-Werror", "-o", unfinished, source)
            unfinished.rename(target)
        return target

    def cluster_images(self) -> Layout:
        """Return images of the name server, and of the program that holds a pod's namespaces.

        Their folder is named by the digests of the programs in it.
        """
        programs = {PAUSE_IMAGE: self.machine_init(), COREDNS_IMAGE: self._compile(COREDNS)}
        key = hashlib.sha256(" ".join(path.name for path in programs.values()).encode())
        layout = Layout(self.cache / "images" / f"cluster-{key.hexdigest()[:16]}")
        for tag, program in programs.items():
            if tag not in layout.tags():
                layout.add(tag, {"/program": program}, entrypoint=["/program"])
        return layout

    def _compile(self, module: Module) -> Path:
        target = self._keyed(module.name, _fingerprint(module))
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        with step(f"compiling {module.name} (the first time takes minutes, then seconds)"):
            run(
                *(*_BUILD, "-ldflags", module.linker_flags, "-o", unfinished, module.package),
                cwd=module.folder,
                env={**os.environ, **_ENVIRONMENT},
            )
        unfinished.rename(target)
        log.info("%s: %d MiB", target.name, target.stat().st_size >> 20)
        return target

    def _keyed(self, name: str, content: bytes) -> Path:
        return self.programs / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"


def link_all(binary: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Make ``folder/name`` a link to ``binary`` for each name; the name selects the program."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        link = folder / name
        if not link.is_symlink() or link.readlink() != binary:
            temporary = folder / f".{name}-{os.getpid()}"
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(binary)
            temporary.replace(link)


def _fingerprint(module: Module) -> bytes:
    # Asked inside the module: Go may switch to the release that go.mod names.
    version = run("go", "env", "GOVERSION", "GOARCH", cwd=module.folder)
    parts = [version, module.package, module.linker_flags]
    files = [module.folder / name for name in ("main.go", "go.mod", "go.sum")]
    return "\n".join([*parts, *(file.read_text() for file in files if file.exists())]).encode()
