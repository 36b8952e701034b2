"""JSON logs of every process: one object per line, on standard error.

What is passed as `extra` becomes a member of the object, so that a log store can filter on it.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO, TypeAlias

_STANDARD: Final = frozenset(
    logging.LogRecord("", logging.INFO, "", 0, "", None, None).__dict__
) | {"message", "asctime", "taskName"}
_RESERVED: Final = frozenset({"time", "level", "logger", "message", "exception"})

_Found: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and what `extra` brought.

    Parameters
    ----------
    quotes
        Whether the messages of exceptions are told. Of a process that reads other people's traffic
        they are not, because they may quote it.
    """

    def __init__(self, *, quotes: bool) -> None:
        super().__init__()
        self._quotes = quotes

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                line[f"{name}_" if name in _RESERVED else name] = value
        if record.exc_info:
            line["exception"] = self._exception(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)

    def _exception(self, found: _Found) -> str:
        kind, _, where = found
        if self._quotes or kind is None:
            return self.formatException(found)
        return "".join(traceback.format_tb(where)) + kind.__name__


def configure_logging(level: int, stream: TextIO = sys.stderr, *, quotes: bool = True) -> None:
    """Send all logs of this process to the stream as JSON, from this level on.

    Parameters
    ----------
    level
        As the logging module counts, for example `Settings.logging_level`.
    stream
        Where the lines go.
    quotes
        As in `JsonFormatter`.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(quotes=quotes))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
