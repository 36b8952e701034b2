"""What a container is told, and when it is safer to tell it nothing."""

import json
from typing import Any

import pytest

from modelmonitor.core.injection.takeover import (
    Edit,
    Knob,
    TakeoverImpossibleError,
    knob_edits,
    probe_edits,
    queue_proxy_edits,
)

NUMBER = 8080
MOVED = 24280


def told(knob: Knob, **container: Any) -> list[tuple[str, Any]]:
    edits = knob_edits({"name": "model", **container}, knob, NUMBER, MOVED)
    return [(edit.path, edit.value) for edit in edits]


PORT = Knob(variable="PORT")
HTTP_PORT = Knob(argument="--http_port")


def test_a_variable_with_the_number_gets_the_other_one() -> None:
    env = [{"name": "A", "value": "8080"}, {"name": "PORT", "value": "8080"}]
    assert told(PORT, env=env) == [("/env/1/value", "24280")]


def test_of_a_variable_that_stands_twice_the_last_one_counts() -> None:
    env = [{"name": "PORT", "value": "1"}, {"name": "PORT", "value": "8080"}]
    assert told(PORT, env=env) == [("/env/1/value", "24280")]


def test_a_variable_that_is_not_there_is_added() -> None:
    entry = {"name": "PORT", "value": "24280"}
    assert told(PORT, env=[{"name": "A"}]) == [("/env/-", entry)]
    assert told(PORT) == [("/env", [entry])]
    assert told(PORT, env=None, args=["--workers=1", "--port=$(PORT)"]) == [("/env", [entry])]


@pytest.mark.parametrize(
    ("container", "fix"),
    [
        (
            {"env": [{"name": "PORT", "valueFrom": {"configMapKeyRef": {"name": "c"}}}]},
            "write its value into the pod template",
        ),
        ({"env": [{"name": "PORT", "value": "9000"}]}, 'let it be "8080"'),
        ({"env": [{"name": "PORT", "value": "0.0.0.0:8080"}]}, 'let it be "8080"'),
        ({"env": [{"name": "PORT"}]}, 'let it be "8080"'),
        ({"args": ["--port=8080"]}, "name that argument in takeover.swap.argument"),
        ({"args": ["--port", "8080"]}, "name that argument"),
        ({"command": ["gunicorn", "-b", "0.0.0.0:8080"]}, "name that argument"),
        ({"command": ["sh", "-c", "exec uvicorn m:app --port 8080"]}, "name that argument"),
    ],
)
def test_a_variable_that_may_not_decide_is_left_alone(container: dict[str, Any], fix: str) -> None:
    with pytest.raises(TakeoverImpossibleError, match="container model") as caught:
        told(PORT, **container)
    assert fix in str(caught.value)


def test_numbers_that_only_look_alike_do_not_contradict_a_variable() -> None:
    assert told(PORT, args=["--cache=18080", "--seed=80801"])


@pytest.mark.parametrize(
    ("container", "path", "value"),
    [
        ({"args": ["--name=m", "--http_port=8080"]}, "/args/1", "--http_port=24280"),
        ({"args": ["--http_port", "8080", "x"]}, "/args/1", "24280"),
        ({"command": ["serve", "--http_port", "8080"]}, "/command/2", "24280"),
        ({"command": ["serve"], "args": ["--http_port=8080"]}, "/args/0", "--http_port=24280"),
        ({"args": ["--http_port_name=8080", "--http_port=8080"]}, "/args/1", "--http_port=24280"),
    ],
)
def test_an_argument_with_the_number_gets_the_other_one(
    container: dict[str, Any], path: str, value: str
) -> None:
    assert told(HTTP_PORT, **container) == [(path, value)]


@pytest.mark.parametrize(
    ("container", "fix"),
    [
        ({}, "write --http_port=8080 into its args"),
        ({"args": ["--http-port=8080"]}, "write --http_port=8080 into its args"),
        ({"args": ["--http_port=9000"]}, "write 8080 there"),
        ({"args": ["--http_port"]}, "write 8080 there"),
        ({"args": ["--http_port=$(PORT)"]}, "write 8080 there"),
        ({"args": ["--http_port", "8080", "--http_port=8080"]}, "leave one"),
        (
            {"command": ["sh", "-c", "exec serve --http_port=8080"]},
            "write command and args as lists",
        ),
    ],
)
def test_an_argument_that_cannot_be_read_is_left_alone(container: dict[str, Any], fix: str) -> None:
    with pytest.raises(TakeoverImpossibleError, match="container model") as caught:
        told(HTTP_PORT, **container)
    assert fix in str(caught.value)


def test_a_swap_without_a_knob_moves_nothing() -> None:
    with pytest.raises(TakeoverImpossibleError, match="neither a variable nor an argument"):
        knob_edits({"name": "model"}, None, NUMBER, MOVED)


def queue_proxy(**environment: Any) -> dict[str, Any]:
    variables = {"QUEUE_SERVING_PORT": "8012", "USER_PORT": "8080"} | environment
    return {
        "name": "queue-proxy",
        "env": [
            {"name": name, **(value if isinstance(value, dict) else {"value": value})}
            for name, value in variables.items()
        ],
    }


def test_queue_proxy_calls_and_probes_the_collector() -> None:
    probe = {"tcpSocket": {"port": 8080, "host": "127.0.0.1"}, "successThreshold": 1}
    edits = queue_proxy_edits(queue_proxy(SERVING_READINESS_PROBE=json.dumps(probe)), 8080, 24180)
    assert edits[0] == Edit("/env/1/value", "24180")
    assert edits[1].path == "/env/2/value"
    probe["tcpSocket"] = {"port": 24180, "host": "127.0.0.1"}
    assert json.loads(edits[1].value) == probe


def test_of_the_probes_of_several_containers_only_the_models_moves() -> None:
    probes = [
        {"httpGet": {"path": "/ready", "port": "8080"}},
        {"grpc": {"port": 9000}},
        {"exec": {"command": ["true"]}},
    ]
    edits = queue_proxy_edits(queue_proxy(SERVING_READINESS_PROBE=json.dumps(probes)), 8080, 24180)
    probes[0] = {"httpGet": {"path": "/ready", "port": 24180}}
    assert json.loads(edits[1].value) == probes


def test_queue_proxy_without_probes_is_told_its_port_only() -> None:
    assert queue_proxy_edits(queue_proxy(), 8080, 24180) == (Edit("/env/1/value", "24180"),)


@pytest.mark.parametrize(
    ("environment", "fix"),
    [
        ({"USER_PORT": "9081"}, "forwards to 9081, not to 8080"),
        ({"USER_PORT": {"valueFrom": {}}}, "forwards to an unknown port"),
        ({"USER_PORT": {"valueFrom": {"fieldRef": {"fieldPath": "x"}}}}, "comes from valueFrom"),
        ({"SERVING_READINESS_PROBE": "{"}, "serve in KServe's Standard mode"),
    ],
)
def test_a_queue_proxy_that_is_not_understood_is_left_alone(
    environment: dict[str, Any], fix: str
) -> None:
    with pytest.raises(TakeoverImpossibleError) as caught:
        queue_proxy_edits(queue_proxy(**environment), 8080, 24180)
    assert fix in str(caught.value)


def test_names_in_probes_and_hooks_become_the_number_of_the_model() -> None:
    container = {
        "startupProbe": {"exec": {"command": ["true"]}},
        "readinessProbe": {"httpGet": {"port": "http", "host": "198.51.100.1"}},
        "livenessProbe": {"grpc": {"port": 8080}},
        "lifecycle": {"preStop": {"tcpSocket": {"port": "http"}}, "postStart": None},
    }
    assert list(probe_edits(container, "http", 8080)) == [
        Edit("/readinessProbe/httpGet/port", 8080),
        Edit("/lifecycle/preStop/tcpSocket/port", 8080),
    ]


def test_where_the_model_moves_numbers_move_too_except_those_of_other_hosts() -> None:
    container = {
        "startupProbe": {"grpc": {"port": 8080}},
        "readinessProbe": {"httpGet": {"port": 8080, "host": "198.51.100.1"}},
        "livenessProbe": {"tcpSocket": {"port": 9000}},
        "lifecycle": {"preStop": {"httpGet": {"port": "http"}}},
    }
    assert list(probe_edits(container, "http", 24280, number=8080)) == [
        Edit("/startupProbe/grpc/port", 24280),
        Edit("/lifecycle/preStop/httpGet/port", 24280),
    ]
