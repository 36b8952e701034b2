"""Logs are one JSON object per line, with what the caller added."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from modelmonitor.logs import JsonFormatter, configure_logging


def formatted(message: str = "said", **extra: Any) -> dict[str, Any]:
    logger = logging.getLogger("room.part")
    record = logger.makeRecord(
        logger.name, logging.INFO, __file__, 1, message, (), None, extra=extra
    )
    line = JsonFormatter(quotes=True).format(record)
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_has_time_level_logger_and_message() -> None:
    line = formatted("two\nlines “é”")
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "INFO", "logger": "room.part", "message": "two\nlines “é”"}


def test_extra_members_are_members_and_hide_none_of_ours() -> None:
    line = formatted(monitor="models/flight", value=0.5, level="loud", odd={1})
    assert line["monitor"] == "models/flight"
    assert line["value"] == 0.5
    assert line["level"] == "INFO"
    assert line["level_"] == "loud"
    assert line["odd"] == "{1}"


def told_of_an_exception(message: str, *, quotes: bool) -> str:
    try:
        raise ValueError(message)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    told: str = json.loads(JsonFormatter(quotes=quotes).format(record))["exception"]
    return told


def test_an_exception_comes_with_its_trace() -> None:
    assert "ValueError: spoilt" in told_of_an_exception("spoilt", quotes=True)


def test_the_message_of_an_exception_is_not_told_where_it_may_quote_traffic() -> None:
    told = told_of_an_exception("spoilt", quotes=False)
    assert "told_of_an_exception" in told
    assert told.endswith("ValueError")
    assert "spoilt" not in told


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("untouched_logging")
def test_the_process_logs_from_its_level_on_and_warnings_too() -> None:
    stream = io.StringIO()
    configure_logging(logging.INFO, stream)
    logging.getLogger("a").debug("not this")
    logging.getLogger("a").info("but %s", "this")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    said = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert said[0] == "but this"
    assert "careful" in said[1]
    assert len(said) == 2
