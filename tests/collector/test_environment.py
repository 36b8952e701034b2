"""What the injector tells a collector, and what is said when it is wrong."""

from pathlib import Path

import pytest

from modelmonitor.collector.environment import (
    CapturedPort,
    InvalidEnvironmentError,
    environment_from,
)
from modelmonitor.collector.processes import Restarts
from modelmonitor.core.wire.configuration import EVENTS_PORT, PANE_PORT, STATE_DIRECTORY
from modelmonitor.core.wire.tokens import public_root_key
from tests.collector.harness import ROOT_KEY, variables_for

VARIABLES = variables_for(port=24180, upstream=8080, pane_port=24190, state=Path("/state"))


def test_the_environment_is_read() -> None:
    environment = environment_from(VARIABLES | {"MM_PORTS": "http=24180:8080, grpc=24181:9000"})
    assert environment.ports == (
        CapturedPort(name="http", listen=24180, upstream=8080),
        CapturedPort(name="grpc", listen=24181, upstream=9000),
    )
    assert environment.root_keys == (public_root_key(ROOT_KEY),)


def test_what_is_optional_has_a_default() -> None:
    required = {"MM_MONITOR_UID", "MM_PORTS", "MM_POD_UID", "MM_ROOT_KEYS"}
    environment = environment_from(
        {name: value for name, value in VARIABLES.items() if name in required}
    )
    assert environment.pane_port == PANE_PORT
    assert environment.state_directory == Path(STATE_DIRECTORY)
    assert environment.revision == ""


def test_where_events_come_nothing_is_captured() -> None:
    environment = environment_from(VARIABLES | {"MM_EVENTS": "1", "MM_PORTS": ""})
    assert environment.events_port == EVENTS_PORT
    assert environment.captured == ()
    assert environment.port_names == ("events",)
    named = environment_from(VARIABLES | {"MM_EVENTS": "24177"})
    assert named.events_port == 24177
    assert named.captured == ()
    assert named.port_names == ("http",)
    assert environment_from(VARIABLES | {"MM_EVENTS": "0"}).events_port is None
    assert environment_from(VARIABLES).captured == environment_from(VARIABLES).ports


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"MM_POD_UID": ""}, "MM_POD_UID is not set: the injector sets it"),
        ({"MM_PORTS": "http=0:8080"}, "MM_PORTS: '0' is not a port from 1 to 65535"),
        ({"MM_PORTS": "http=1:70000"}, "MM_PORTS: '70000' is not a port"),
        ({"MM_PORTS": ","}, "MM_PORTS names 0 ports, allowed are 1 to 4"),
        ({"MM_PORTS": ",".join(["a=1:2"] * 5)}, "MM_PORTS names 5 ports"),
        ({"MM_PORTS": "8080"}, "write name=listen:upstream, for example http=24180:8080"),
        ({"MM_EVENTS": "yes"}, "MM_EVENTS: 'yes' is not a port"),
        ({"MM_PANE_PORT": "x"}, "MM_PANE_PORT: 'x' is not a port"),
        ({"MM_ROOT_KEYS": "AAAA"}, "MM_ROOT_KEYS: a public key has 32 bytes, this one 3"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidEnvironmentError) as wrong:
        environment_from(VARIABLES | change)
    assert sentence in str(wrong.value)


def test_a_process_is_started_again_at_once_and_slower_while_it_keeps_dying() -> None:
    restarts = Restarts(longest_pause=2.0)
    assert [restarts.pause_after(1.0) for _ in range(8)] == [
        0.0,
        0.1,
        0.2,
        0.4,
        0.8,
        1.6,
        2.0,
        2.0,
    ]
    assert restarts.pause_after(60.0) == 0.0
    assert restarts.pause_after(1.0) == 0.0
