"""Fixtures for every room of the tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something of the machine and its other work, nothing of the code.
# The examples are the same in every run, so that a change is judged by what it changed;
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("explore", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# A real API server, and a real cluster, for whoever asks for them.
pytest_plugins = ["tests.cluster.fixtures"]

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Callable[[str, bytes], None]:
    """Return a check of bytes against a golden file, named by its path under tests/golden.

    `make golden` writes the files instead; the difference is for people to read before they
    commit it.
    """

    def check(name: str, actual: bytes) -> None:
        path = GOLDEN / name
        if os.environ.get("MM_GOLDEN") == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(actual)
        assert path.exists(), f"{path} is missing: run `make golden` and read what it wrote"
        assert actual == path.read_bytes(), (
            f"{path} differs: if that is meant, run `make golden` and read the difference"
        )

    return check
