"""The operator as the chart installs it."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.story.install import NAMESPACE, Installation
from tests.e2e.kit import Kube
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Release:
    """The installed chart."""

    kube: Kube
    installation: Installation
    operator: str
    """Image of controller and injector, `repository:tag`."""
    collector: str
    broken_collector: str
    """An image that starts and exits at once."""

    def use_collector(self, image: str) -> None:
        """Inject this collector image from now on; return when nobody injects another one."""
        self.installation.install(self.operator, image)
        wait_until("only new injectors", self._injectors_are_new, 60)

    def _injectors_are_new(self) -> bool:
        pods = self.kube.list("pods", NAMESPACE, "app.kubernetes.io/component=injector")
        return not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    def kill_controller(self) -> None:
        """Kill the controller's process with SIGKILL; the kubelet starts it again."""
        pods = self.kube.list("pods", NAMESPACE, "app.kubernetes.io/component=controller")
        names = {pod["metadata"]["name"] for pod in pods}
        processes = [process for name in names for process in _processes_of_pod(name)]
        assert processes, f"no process of {names} was found on this machine"
        for process in processes:
            os.kill(process, signal.SIGKILL)


def _processes_of_pod(pod: str) -> list[int]:
    """Return the processes of this machine that were given this pod's name."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # it has ended, or is the kernel's own
            if f"MM_POD_NAME={pod}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
