"""The cluster through `kubectl`, so that everything the story does can be typed by its reader."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TIMEOUT: Final = 60.0

Body = dict[str, Any]


class KubectlError(RuntimeError):
    """A command failed; the message is the command and what it said."""


class MissingError(KubectlError):
    """The object that was asked for does not exist."""


@dataclass(frozen=True)
class Kubectl:
    """Runs `kubectl` against one cluster.

    Attributes
    ----------
    environment
        The environment to run it in: it decides the cluster (`KUBECONFIG`) and the program
        (`PATH`).
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = TIMEOUT) -> str:
        """Return what a command prints.

        Raises
        ------
        MissingError
            If the API server answers that the object does not exist.
        KubectlError
            If the command fails otherwise, or takes more than `timeout` seconds.
        """
        what = " ".join(["kubectl", *arguments])
        try:
            done = subprocess.run(
                [self.program, *arguments],
                env=self.environment,
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"{what}: no answer after {timeout:.0f} s") from error
        if done.returncode == 0:
            return done.stdout
        kind = MissingError if "(NotFound)" in done.stderr else KubectlError
        raise kind(f"{what}: {done.stderr.strip()}")

    def get(self, *arguments: str) -> Body:
        """Return one object, or a list of objects, as the API server has it."""
        body: Body = json.loads(self.run("get", *arguments, "-o", "json"))
        return body

    def apply(self, manifest: str) -> None:
        """Apply one or more YAML documents."""
        self.run("apply", "-f", "-", stdin=manifest)

    def stream(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command that prints until it is stopped."""
        return subprocess.Popen(
            [self.program, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @property
    def program(self) -> str:
        """The program, looked up in the environment's own path."""
        return find_program("kubectl", self.environment)


def find_program(name: str, environment: Mapping[str, str]) -> str:
    """Return the full path of a program.

    Raises
    ------
    KubectlError
        If it is not in the environment's `PATH`.
    """
    found = shutil.which(name, path=environment.get("PATH", ""))
    if found is None:
        raise KubectlError(f"{name} is not installed: it is in no folder of PATH")
    return found
