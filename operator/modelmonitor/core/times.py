"""Times as the API writes them: UTC, RFC 3339, whole seconds."""

from datetime import UTC, datetime


def format_time(seconds: float) -> str:
    """Return seconds since the epoch as `2026-01-31T12:00:00Z`, rounded down."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Return the seconds since the epoch that an RFC 3339 time means.

    Raises
    ------
    ValueError
        If the text is not a time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write for example 2026-01-31T12:00:00Z")
    return moment.timestamp()
