"""Switching a cluster on and off; `up` repairs whatever is missing and touches nothing else."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from . import cgroups, control_plane, images, machines, network, nodes, volumes
from .kubectl import Kubectl, administrator
from .settings import COREDNS_IMAGE, Settings
from .shell import locked, log, quick_step, step
from .toolchain import Toolchain

_MANIFESTS = Path(__file__).parent / "manifests"


def up(settings: Settings) -> None:
    """Switch the cluster on, or repair it; returns when nodes and name server are ready."""
    with locked(_lock(settings)), step(f"cluster {settings.name} up"):
        network.check_slot(settings)
        toolchain = Toolchain(settings.cache)
        toolchain.install(settings)
        control_plane.create_certificates(settings)
        machines.load_kernel_modules()
        for machine in machines.machines(settings):
            if machine.ensure():
                log.info("%s: switched on", machine.name)
        network.ensure(settings)
        with ThreadPoolExecutor() as pool:
            api_server = pool.submit(control_plane.ensure, settings)
            cluster_images = toolchain.cluster_images()
            runtimes = [pool.submit(nodes.ensure_runtime, n) for n in machines.nodes(settings)]
            for runtime in runtimes:
                runtime.result()
            images.load(settings, cluster_images, cluster_images.tags())
            api_server.result()
        _ensure_nodes(settings)


def down(settings: Settings) -> None:
    """Switch the cluster off and remove every trace of it."""
    with locked(_lock(settings)), step(f"cluster {settings.name} down"):
        machines.kill_all(settings)
        network.remove(settings)
        cgroups.remove(settings.name)
        if settings.state.exists():
            shutil.rmtree(settings.state)


def _ensure_nodes(settings: Settings) -> None:
    kubectl = administrator(settings)
    started_at = datetime.now(UTC)
    started = [node for node in machines.nodes(settings) if nodes.ensure_kubelet(node)]
    for machine in machines.machines(settings):
        nodes.ensure_proxy(machine)
    volumes.ensure(settings, kubectl)
    _ensure_name_server(settings, kubectl)
    since = started_at if started else datetime.fromtimestamp(0, UTC)
    with quick_step("nodes Ready"):
        nodes.wait_until_ready(kubectl, settings, since)
    with quick_step("name server Ready"):
        kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")


def _ensure_name_server(settings: Settings, kubectl: Kubectl) -> None:
    text = Template((_MANIFESTS / "coredns.yaml").read_text()).substitute(
        dns_address=settings.addresses.dns_service, image=COREDNS_IMAGE
    )
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def _lock(settings: Settings) -> Path:
    # Not in the state folder: `down` deletes that while it holds the lock.
    return settings.cache / "locks" / f"cluster-{settings.name}"
