"""What the modules share: servers that are slow to start, and lines to any server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.fleet import Ports, running_kserve, running_mlserver
from tests.interop.line import Line, Lines, running_line


@pytest.fixture(scope="session")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Run MLServer."""
    with running_mlserver(tmp_path_factory.mktemp("mlserver")) as ports:
        yield ports


@pytest.fixture(scope="session")
def kserve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Run the KServe SDK's server."""
    with running_kserve(tmp_path_factory.mktemp("kserve")) as ports:
        yield ports


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a maker of folders for the module's processes."""
    return tmp_path_factory.mktemp


@pytest.fixture(scope="module")
def lines(folder: Callable[[str], Path]) -> Iterator[Lines]:
    """Return a starter of lines that run until the end of the module."""
    with ExitStack() as stack:
        yield lambda port, configuration: stack.enter_context(
            running_line(port, folder("line"), configuration)
        )


@pytest.fixture
def line(running: Line) -> Line:
    """Return the module's line with nothing sent yet."""
    running.forget()
    return running
