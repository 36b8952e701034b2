"""What is installed on a bare machine."""

from pathlib import Path

import pytest

from tests.cluster.mmcluster import bootstrap
from tests.cluster.mmcluster.shell import ClusterError


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the only folder of programs of a machine on which nothing else is installed."""
    monkeypatch.setattr(bootstrap, "_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_program_that_is_there_is_not_installed(bare: Path) -> None:
    assert {"buildah", "containerd", "runc"} <= set(bootstrap.missing_packages())
    program = bare / "containerd"
    program.touch(mode=0o755)
    assert "containerd" not in bootstrap.missing_packages()


def test_without_apt_the_packages_are_named(bare: Path) -> None:
    with pytest.raises(ClusterError, match=r"install what Debian calls .*buildah.*runc"):
        bootstrap.ensure_packages()
