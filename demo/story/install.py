"""Installs modelmonitor with its Helm chart, as any platform team would."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from demo.story.kubectl import Kubectl, KubectlError, find_program

NAMESPACE: Final = "modelmonitor-system"
RELEASE: Final = "modelmonitor"
CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "modelmonitor"

_TIMEOUT: Final = 300.0


@dataclass(frozen=True)
class Installation:
    """The release of the chart in one cluster.

    Attributes
    ----------
    environment
        The environment to run `helm` in; it decides the cluster.
    values
        Values of the chart beside the images, such as `{"restart.enabled": "true"}`.
    """

    environment: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)

    def command(self, operator: str, collector: str) -> list[str]:
        """Return the command that installs the chart with these images, or upgrades it.

        Parameters
        ----------
        operator, collector
            Images as `repository:tag`.
        """
        images = {**_image("operator", operator), **_image("collector", collector)}
        sets = [
            *(f"--set-string={name}={value}" for name, value in images.items()),
            *(f"--set={name}={value}" for name, value in self.values.items()),
        ]
        where = [f"--namespace={NAMESPACE}", "--create-namespace"]
        wait = ["--wait", f"--timeout={_TIMEOUT:.0f}s"]
        return ["helm", "upgrade", "--install", RELEASE, str(CHART), *where, *wait, *sets]

    def install(self, operator: str, collector: str) -> None:
        """Install or upgrade; return when the controller and the injector are ready."""
        self._helm(*self.command(operator, collector)[1:])

    def remove(self, kubectl: Kubectl) -> None:
        """Remove the release, its namespace and the CRD, which the chart keeps on purpose.

        With the CRD go all monitors of the cluster.
        """
        self._helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--ignore-not-found", "--wait")
        for gone in (
            ("namespace", NAMESPACE),
            ("customresourcedefinition", "modelmonitors.modelmonitor.dev"),
        ):
            kubectl.run("delete", *gone, "--ignore-not-found", timeout=_TIMEOUT)

    def _helm(self, *arguments: str) -> None:
        program = find_program("helm", self.environment)
        done = subprocess.run(
            [program, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT + 30,
        )
        if done.returncode:
            raise KubectlError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")


def _image(part: str, name: str) -> dict[str, str]:
    repository, _, tag = name.rpartition(":")
    return {f"image.{part}.repository": repository, f"image.{part}.tag": tag}
