"""What the benchmark runs beside the project: installed or compiled once, kept in the cache."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.dataplane.load import PROGRAMS
from tests.cluster.mmcluster.bootstrap import ensure_packages
from tests.cluster.mmcluster.settings import default_cache
from tests.cluster.mmcluster.shell import ClusterError, log, run, step

AGENT_MODULE: Final = "github.com/kserve/kserve"
AGENT_VERSION: Final = "v0.20.0"
AGENT_SUM: Final = "h1:Bs7HxmGV4KFqqptDcWseKv+mwD4YOYHJWcuVgPG2Gug="
"""Of the module as go.sum would have it; its own go.mod and go.sum pin all others."""

_PACKAGES: Final = {
    "dpkg-deb": "dpkg",
    "gcc": "gcc",
    "ip": "iproute2",
    "taskset": "util-linux",
    "wrk": "wrk",
    "/usr/include/stdlib.h": "libc6-dev",
}
_COMPILE: Final = ("gcc", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Programs that are not ours to ship."""

    nginx: Path
    wrk: Path
    openloop: Path
    agent: Path


def install() -> Programs:
    """Return the programs, after installing what is missing.

    Raises
    ------
    ClusterError
        If something cannot be installed; the message says what to do.
    """
    ensure_packages(_PACKAGES)
    cache = default_cache() / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    return Programs(
        nginx=_nginx(cache),
        wrk=Path(shutil.which("wrk") or "wrk"),
        openloop=_openloop(cache),
        agent=_agent(cache),
    )


def _nginx(cache: Path) -> Path:
    """Return nginx: the machine's own, or Debian's, unpacked.

    Installing the package would start a web server on port 80, now and at every boot.
    """
    if installed := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        return Path(installed)
    unpacked = cache / "nginx"
    program = unpacked / "usr" / "sbin" / "nginx"
    if program.exists():
        return program
    with step("unpacking Debian's nginx"), tempfile.TemporaryDirectory(dir=cache) as folder:
        if os.geteuid() == 0:
            run("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update")
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "nginx", cwd=Path(folder))
        package = next(Path(folder).glob("nginx_*.deb"))
        run("dpkg-deb", "-x", package, Path(folder) / "nginx")
        (Path(folder) / "nginx").rename(unpacked)
    return program


def _openloop(cache: Path) -> Path:
    source = PROGRAMS / "openloop.c"
    target = cache / f"openloop-{_digest(source.read_text(), *_COMPILE)}"
    if not target.exists():
        with step("compiling the load generator"):
            unfinished = target.with_suffix(".unfinished")
            run(*_COMPILE, "-o", unfinished, source)
            unfinished.rename(target)
    return target


def _agent(cache: Path) -> Path:
    """Return KServe's agent, compiled inside its own module.

    A module that requires KServe would resolve other versions of what it is made of, and Go refuses
    to install a program whose module replaces others.
    """
    version = run("go", "env", "GOVERSION", "GOARCH")
    target = cache / f"kserve-agent-{_digest(AGENT_VERSION, AGENT_SUM, version)}"
    if target.exists():
        return target
    with step(f"compiling KServe's agent {AGENT_VERSION} (minutes, once)"):
        module = f"{AGENT_MODULE}@{AGENT_VERSION}"
        found = json.loads(run("go", "mod", "download", "-json", module, cwd=cache))
        if found["Sum"] != AGENT_SUM:
            raise ClusterError(f"{module} has the checksum {found['Sum']}, expected {AGENT_SUM}")
        unfinished = target.with_suffix(".unfinished")
        run(
            *("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"),
            *("-o", unfinished, "./cmd/agent"),
            cwd=Path(found["Dir"]),
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        )
        unfinished.rename(target)
        log.info("%s: %d MiB", target.name, target.stat().st_size >> 20)
    return target


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
