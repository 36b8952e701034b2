"""Fixtures of the collector's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.harness import Collector, running_collector
from tests.collector.raw_model import RawModel, http_echo, raw_model


@pytest.fixture
def model() -> Iterator[RawModel]:
    """Run a model that answers each request with its own body."""
    with raw_model(http_echo) as running:
        yield running


@pytest.fixture
def collector(model: RawModel, tmp_path: Path) -> Iterator[Collector]:
    """Run a collector in front of the model."""
    with running_collector(tmp_path, upstream=model.port) as running:
        yield running


@pytest.fixture(scope="module")
def shared_model() -> Iterator[RawModel]:
    """Run one model for a module; tests set its handler."""
    with raw_model(http_echo) as running:
        yield running


@pytest.fixture(scope="module")
def shared_collector(
    shared_model: RawModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collector]:
    """Run one collector for a module."""
    with running_collector(
        tmp_path_factory.mktemp("collector"), upstream=shared_model.port
    ) as running:
        yield running
