"""The command line as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

import modelmonitor
from modelmonitor.cli.app import run

COMMANDS = (
    "baseline",
    "collector",
    "controller",
    "doctor",
    "injector",
    "lint",
    "status",
    "version",
)
FORBIDDEN = ("typer", "rich", "pydantic", "scipy", "kubernetes", "kopf", "pyarrow", "yaml")


def words(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run `modelmonitor` as a process of its own; return exit code and all it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "modelmonitor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment or {},
    )
    return done.returncode, done.stdout + done.stderr


def test_help_names_every_command() -> None:
    code, text = words("--help")

    assert code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in text


def test_without_a_command_help_is_shown() -> None:
    _, text = words()

    assert "Usage: " in text


def test_the_version_is_the_packages() -> None:
    assert words("version") == (0, f"{modelmonitor.__version__}\n")


def test_a_misspelt_command_is_said_and_ends_with_2() -> None:
    code, text = words("stauts")

    assert code == 2
    assert "No such command 'stauts'" in text


@pytest.mark.parametrize("role", ["controller", "injector"])
def test_a_role_without_its_settings_names_the_first_that_is_missing(role: str) -> None:
    assert words(role) == (
        1,
        "error: MM_NAMESPACE is not set: the Helm chart sets it, see docs/install.md\n",
    )


def test_without_a_cluster_status_says_how_to_name_one(tmp_path: Path) -> None:
    code, text = words("status", environment={"KUBECONFIG": str(tmp_path / "none")})

    assert code == 1
    assert text == (
        "error: no cluster is configured: set KUBECONFIG, or name a context with --context\n"
    )


def test_a_name_and_all_namespaces_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "flight-delay", "-A"]) == 1
    assert "give a name or --all-namespaces, not both" in capsys.readouterr().err


def test_the_sidecar_is_dispatched_before_anything_of_the_command_line_is_loaded() -> None:
    program = (
        "import sys\n"
        "import modelmonitor.__main__\n"
        "import modelmonitor.collector.main\n"
        f"print(sorted(set(sys.modules) & set({FORBIDDEN!r})))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert loaded.stdout == "[]\n"
