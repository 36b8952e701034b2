"""The operator as the chart installs it."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.kit import SYSTEM, Kube


@dataclass(frozen=True)
class Release:
    """The installed chart."""

    kube: Kube
    helm: Path
    chart: Path
    operator: str
    """Image of controller and injector, `repository:tag`."""
    collector: str
    broken_collector: str
    """An image that starts and exits at once."""

    def install(self) -> None:
        """Install or upgrade with the project's own images, and wait until all is ready."""
        self._upgrade(self.collector)

    def use_collector(self, image: str) -> None:
        """Inject another collector image from now on."""
        self._upgrade(image)

    def kill_controller(self) -> None:
        """Kill the controller's process with SIGKILL; the kubelet starts it again."""
        killed = [
            os.kill(pid, signal.SIGKILL) for pid in _processes(b"modelmonitor", b"controller")
        ]
        assert killed, "no controller process was found on this machine"

    def _upgrade(self, collector: str) -> None:
        operator_repository, operator_tag = self.operator.rsplit(":", 1)
        repository, tag = collector.rsplit(":", 1)
        values = {
            "image.operator.repository": operator_repository,
            "image.operator.tag": operator_tag,
            "image.collector.repository": repository,
            "image.collector.tag": tag,
        }
        words = [f"--set-string={name}={value}" for name, value in values.items()]
        subprocess.run(
            [
                self.helm,
                f"--kubeconfig={self.kube.kubeconfig}",
                "upgrade",
                "--install",
                "modelmonitor",
                self.chart,
                f"--namespace={SYSTEM}",
                "--create-namespace",
                "--wait",
                "--timeout=180s",
                *words,
            ],
            check=True,
            capture_output=True,
            text=True,
        )


def _processes(*words: bytes) -> list[int]:
    """Return the processes of this machine whose command line ends with these words."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            continue
        if tuple(Path(os.fsdecode(word)).name.encode() for word in command[-len(words) :]) == words:
            found.append(int(entry.name))
    return found
