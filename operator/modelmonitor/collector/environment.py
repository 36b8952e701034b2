"""What the collector's container is told once, by its environment; everything else is pushed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelmonitor.core.wire import configuration as wire
from modelmonitor.core.wire.tokens import parse_root_keys

MAX_PORTS: Final = 4
_PORT: Final = re.compile(r"(?P<name>[a-z0-9-]{1,63})=(?P<listen>\d{1,5}):(?P<upstream>\d{1,5})")
_HIGHEST_PORT: Final = 65_535
_EVENTS_NAME: Final = "events"
"""Stands for a port where events come and no port is named."""


class InvalidEnvironmentError(ValueError):
    """A variable that is missing or wrong; the message names it."""


@dataclass(frozen=True, kw_only=True)
class CapturedPort:
    """One port of the model."""

    name: str
    listen: int
    """Where clients come to."""
    upstream: int
    """Where the model listens, on loopback."""


@dataclass(frozen=True, kw_only=True)
class CollectorEnvironment:
    """The constants of one collector."""

    monitor_uid: str
    """Empty in a pod that was injected before its monitor existed: then the first configuration
    that is taken says it."""
    monitor: str
    """`namespace/name`."""
    ports: tuple[CapturedPort, ...]
    """Where events come, they only name how bodies are read."""
    events_port: int | None
    """Where the model server's own logger, in the same pod, sends CloudEvents; then nothing is
    captured."""
    pod_uid: str
    """The audience of tokens."""
    pod_name: str
    revision: str
    root_keys: tuple[str, ...]
    pane_port: int
    state_directory: Path

    @property
    def captured(self) -> tuple[CapturedPort, ...]:
        """The ports that are spliced."""
        return self.ports if self.events_port is None else ()

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names under which traffic is configured, by index; at least one."""
        return tuple(port.name for port in self.ports) or (_EVENTS_NAME,)


def environment_from(variables: Mapping[str, str]) -> CollectorEnvironment:
    """Return the constants that the environment variables `MM_*` say.

    Raises
    ------
    InvalidEnvironmentError
        If a required variable is missing or one is not readable.
    """
    try:
        root_keys = parse_root_keys(_required(variables, wire.ENV_ROOT_KEYS))
    except ValueError as error:
        raise InvalidEnvironmentError(f"{wire.ENV_ROOT_KEYS}: {error}") from error
    events_port = _events_port(variables.get(wire.ENV_EVENTS, "").strip())
    return CollectorEnvironment(
        monitor_uid=variables.get(wire.ENV_MONITOR_UID, "").strip(),
        monitor=variables.get(wire.ENV_MONITOR, ""),
        ports=_ports(variables, required=events_port is None),
        events_port=events_port,
        pod_uid=_required(variables, wire.ENV_POD_UID),
        pod_name=variables.get(wire.ENV_POD_NAME, ""),
        revision=variables.get(wire.ENV_REVISION, ""),
        root_keys=tuple(root_keys),
        pane_port=_port_number(
            wire.ENV_PANE_PORT, variables.get(wire.ENV_PANE_PORT, str(wire.PANE_PORT))
        ),
        state_directory=Path(variables.get(wire.ENV_STATE_DIRECTORY, wire.STATE_DIRECTORY)),
    )


def _required(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "").strip()
    if not value:
        raise InvalidEnvironmentError(
            f"{name} is not set: the injector sets it when it adds the collector to a pod"
        )
    return value


def _events_port(text: str) -> int | None:
    if text in {"", "0"}:
        return None
    return wire.EVENTS_PORT if text == "1" else _port_number(wire.ENV_EVENTS, text)


def _ports(variables: Mapping[str, str], *, required: bool) -> tuple[CapturedPort, ...]:
    text = variables.get(wire.ENV_PORTS, "")
    if not required and not text.strip():
        return ()
    text = _required(variables, wire.ENV_PORTS)
    ports = tuple(_captured_port(part) for part in text.split(",") if part.strip())
    if not 1 <= len(ports) <= MAX_PORTS:
        raise InvalidEnvironmentError(
            f"{wire.ENV_PORTS} names {len(ports)} ports, allowed are 1 to {MAX_PORTS}"
        )
    return ports


def _captured_port(text: str) -> CapturedPort:
    match = _PORT.fullmatch(text.strip())
    if match is None:
        raise InvalidEnvironmentError(
            f"{wire.ENV_PORTS}: {text!r} is not readable; write name=listen:upstream, "
            "for example http=24180:8080"
        )
    return CapturedPort(
        name=match["name"],
        listen=_port_number(wire.ENV_PORTS, match["listen"]),
        upstream=_port_number(wire.ENV_PORTS, match["upstream"]),
    )


def _port_number(variable: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST_PORT:
        raise InvalidEnvironmentError(f"{variable}: {text!r} is not a port from 1 to 65535")
    return int(text)
