"""The pushed configuration: checked, kept over restarts of the observer."""

import itertools
import logging
import math
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from modelmonitor.collector.protocols.pointers import PointerError, parse_pointer
from modelmonitor.collector.protocols.registry import PROTOCOLS
from modelmonitor.core.baseline.performance_profile import MAX_CLASSES, MAX_EDGES
from modelmonitor.core.baseline.profile import MAX_CATEGORIES, MAX_COLUMNS, MAX_CUTS, ColumnRole
from modelmonitor.core.wire.configuration import (
    CONFIGURATION_SCHEMA,
    CollectorConfiguration,
    ColumnConfiguration,
    ScoreConfiguration,
    decode_configuration,
    encode_configuration,
)
from modelmonitor.core.wire.pane import MAX_MARKS

logger = logging.getLogger(__name__)

MAX_CONFIGURATION: Final = 2 * 1024 * 1024
SHORTEST_INTERVAL: Final = 1.0
LONGEST_INTERVAL: Final = 3600.0
FILE_NAME: Final = "configuration.json"


class InvalidConfigurationError(ValueError):
    """A configuration that is not taken; the message says what is wrong and where."""


def read_configuration(payload: bytes, monitor_uid: str) -> CollectorConfiguration:
    """Return a pushed configuration, checked.

    Parameters
    ----------
    payload
        As it was pushed; who pushed it has been checked by its token.
    monitor_uid
        The only monitor that is obeyed; empty: whichever.

    Raises
    ------
    InvalidConfigurationError
        If it cannot be read, is another monitor's, or is out of bounds.
    """
    try:
        configuration = decode_configuration(payload)
    except msgspec.DecodeError as error:
        raise InvalidConfigurationError(f"the configuration is not readable: {error}") from error
    if configuration.schema != CONFIGURATION_SCHEMA:
        raise InvalidConfigurationError(
            f"schema: {configuration.schema} is not supported by this collector, only "
            f"{CONFIGURATION_SCHEMA}; recreate the pod to get a newer one"
        )
    if monitor_uid and configuration.monitorUID != monitor_uid:
        raise InvalidConfigurationError(
            f"monitorUID: this collector belongs to the monitor {monitor_uid}, "
            f"not {configuration.monitorUID[:64]}; recreate the pod"
        )
    _check(configuration)
    return configuration


def load_configuration(directory: Path, monitor_uid: str) -> CollectorConfiguration | None:
    """Return the configuration that was kept in this directory; None if there is none."""
    try:
        payload = (directory / FILE_NAME).read_bytes()
    except OSError:
        return None
    try:
        return read_configuration(payload, monitor_uid)
    except InvalidConfigurationError as error:
        logger.warning("the kept configuration is not used: %s", error)
        return None


def keep_configuration(directory: Path, configuration: CollectorConfiguration) -> None:
    """Keep a configuration for the next observer; without a writable directory, do not."""
    partial = directory / f"{FILE_NAME}.partial"
    try:
        partial.write_bytes(encode_configuration(configuration))
        partial.replace(directory / FILE_NAME)
    except OSError as error:
        logger.warning("the configuration is not kept: %s", error)


def _check(configuration: CollectorConfiguration) -> None:
    interval, ratio = configuration.interval, configuration.sampleRatio
    if not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
        raise InvalidConfigurationError(f"interval: {interval} s is not between 1 and 3600 s")
    if not 0.0 <= ratio <= 1.0:
        raise InvalidConfigurationError(f"sampleRatio: {ratio} is not between 0 and 1")
    for port, protocol in configuration.protocols.items():
        if protocol not in PROTOCOLS:
            raise InvalidConfigurationError(
                f"protocols[{port}]: {protocol!r} is not read by this collector; "
                f"use one of {', '.join(PROTOCOLS)}"
            )
    for port, paths in configuration.paths.items():
        _check_pointer(f"paths[{port}].rows", paths.rows)
        _check_pointer(f"paths[{port}].results", paths.results)
    if len(configuration.columns) > MAX_COLUMNS:
        raise InvalidConfigurationError(f"columns: more than {MAX_COLUMNS}")
    names = [column.name for column in configuration.columns]
    if len(set(names)) != len(names):
        raise InvalidConfigurationError("columns: a name is there twice")
    inputs = {each.name for each in configuration.columns if each.role is ColumnRole.INPUT}
    for column in configuration.columns:
        _check_column(column, inputs)
    if configuration.scores is not None:
        outputs = {each.name for each in configuration.columns if each.role.is_output}
        _check_scores(configuration.scores, outputs)


def _check_scores(scores: ScoreConfiguration, outputs: Collection[str]) -> None:
    wanted = [scores.prediction, *(each.column for each in scores.scored)]
    for name in wanted:
        if name not in outputs:
            raise InvalidConfigurationError(f"scores: {name!r} is no configured output")
    if len(scores.classes) > MAX_CLASSES or len(scores.scored) > MAX_CLASSES:
        raise InvalidConfigurationError(f"scores: more than {MAX_CLASSES} classes")
    for each in scores.scored:
        rising = all(left < right for left, right in itertools.pairwise(each.edges))
        if len(each.edges) > MAX_EDGES or not rising or not all(map(math.isfinite, each.edges)):
            raise InvalidConfigurationError(
                f"scores[{each.name}].edges: at most {MAX_EDGES}, finite and strictly increasing"
            )


def _check_pointer(where: str, pointer: str) -> None:
    try:
        parse_pointer(pointer)
    except PointerError as error:
        raise InvalidConfigurationError(f"{where}: {error}") from error


def _check_column(column: ColumnConfiguration, inputs: Collection[str]) -> None:
    where = f"columns[{column.name}]"
    cuts = column.cuts
    if len(cuts) > MAX_CUTS or len(column.categories) > MAX_CATEGORIES:
        raise InvalidConfigurationError(
            f"{where}: more than {MAX_CUTS} cuts or {MAX_CATEGORIES} categories"
        )
    rising = all(left < right for left, right in itertools.pairwise(cuts))
    if not rising or not all(map(math.isfinite, cuts)):
        raise InvalidConfigurationError(f"{where}.cuts: must be finite and strictly increasing")
    if len(column.marks) > MAX_MARKS or not all(map(math.isfinite, column.marks)):
        raise InvalidConfigurationError(f"{where}.marks: at most {MAX_MARKS}, finite")
    if column.locator is not None and column.locator.index < 0:
        raise InvalidConfigurationError(f"{where}.locator.index: must be at least 0")
    if column.role.is_output and column.locator is None:
        raise InvalidConfigurationError(f"{where}.locator: outputs need one")
    if column.derived is not None and column.derived.source not in inputs:
        raise InvalidConfigurationError(
            f"{where}.derived.source: there is no input {column.derived.source}"
        )
