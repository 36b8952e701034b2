"""Installing the Debian packages that the cluster needs, where their programs are missing."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .shell import ClusterError, log, run, step

# Program or file → package. Programs are looked for, not packages: a machine with Docker has its
# own containerd, which Debian's package would replace.
_NEEDED = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
    "hostname": "hostname",
    "ip": "iproute2",
    "iptables": "iptables",
    "modprobe": "kmod",
    "openssl": "openssl",
    "runc": "runc",
    "sysctl": "procps",
    "unshare": "util-linux",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "/usr/include/stdlib.h": "libc6-dev",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def ensure_packages(needed: Mapping[str, str] = _NEEDED) -> None:
    """Install what is missing; does nothing, and needs no root, where nothing is.

    Parameters
    ----------
    needed
        Program, or absolute path of a file → Debian package that brings it.
    """
    missing = missing_packages(needed)
    if not missing:
        log.info("all packages are there")
        return
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise ClusterError(f"install what Debian calls {names}; there is no apt-get here")
    if os.geteuid():
        raise ClusterError(f"run this as root, or install by hand: apt-get install {names}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300")
    with step("package lists"):
        run(*apt, "update", env=environment)
    with step(f"installing {names}"):
        run(*apt, "install", "-y", "--no-install-recommends", *missing, env=environment)


def missing_packages(needed: Mapping[str, str] = _NEEDED) -> list[str]:
    """Return the packages whose program or file is missing, sorted."""
    return sorted({package for name, package in needed.items() if not _exists(name)})


def _exists(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).exists()
    return shutil.which(name, path=_PATH) is not None
