"""Which NetworkPolicies let clients reach the model, and would not let them reach its collector."""

from typing import Any

import pytest

from modelmonitor.core.injection.capture import Obstacle, PortLocation
from modelmonitor.core.injection.network_policies import (
    NetworkPolicy,
    network_obstacle,
    parse_network_policy,
)

LABELS = {"app": "web", "tier": "models"}
HTTP = PortLocation("http", 0, 0, number=8080, captured=24180)
GRPC = PortLocation("grpc", 0, 1, number=8081, captured=24181)

CLIENTS = {"podSelector": {"matchLabels": {"app": "client"}}}
SCRAPER = {"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}
NUMBER: dict[str, Any] = {"ports": [{"port": 8080}]}
NAMED: dict[str, Any] = {"ports": [{"port": "http"}]}


def policy(*rules: dict[str, Any], name: str = "web", **spec: Any) -> NetworkPolicy | None:
    return parse_network_policy(
        {"metadata": {"name": name}, "spec": {"podSelector": {}, "ingress": list(rules), **spec}}
    )


def named_obstacle(*policies: NetworkPolicy | None) -> str:
    present = [each for each in policies if each is not None]
    obstacle = network_obstacle(LABELS, [HTTP, GRPC], present)
    return "" if obstacle is None else obstacle.message.split()[1]


@pytest.mark.parametrize(
    "rule",
    [
        NUMBER,
        {"ports": [{"port": 8080, "protocol": "TCP"}]},
        {"ports": [{"port": 8000, "endPort": 9000}]},
        {"ports": [{"port": 8081}]},
        {"from": [CLIENTS], **NUMBER},
        {"ports": [{"port": 8080}, {"port": 24190}]},
        {"ports": [{"port": 8080}, {"protocol": "UDP"}]},
        {"ports": [{"port": 8080}, {"port": "metrics"}]},
    ],
)
def test_a_rule_that_allows_the_model_by_number_is_an_obstacle(rule: dict[str, Any]) -> None:
    assert named_obstacle(policy(rule)) == "web"


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"ports": []},
        {"ports": [{"protocol": "TCP"}]},
        {"from": [CLIENTS]},
        NAMED,
        {"ports": [{"port": 8080}, {"port": "http"}]},
        {"ports": [{"port": 8080}, {"port": 24180}]},
        {"ports": [{"port": 8000, "endPort": 30000}]},
        {"ports": [{"port": 8082}]},
        {"ports": [{"port": 8080, "protocol": "UDP"}]},
        {"ports": [{"port": 7000, "endPort": 8079}]},
        {"ports": [{"protocol": "UDP"}]},
    ],
)
def test_a_rule_that_reaches_the_collector_or_never_reached_the_model_is_none(
    rule: dict[str, Any],
) -> None:
    assert named_obstacle(policy(rule)) == ""


@pytest.mark.parametrize(
    ("numeric", "other", "found"),
    [
        (NUMBER, NAMED, ""),
        (NUMBER, {}, ""),
        ({"from": [CLIENTS], **NUMBER}, {}, ""),
        ({"from": [CLIENTS], **NUMBER}, {"from": [CLIENTS]}, ""),
        ({"from": [CLIENTS], **NUMBER}, {"from": [SCRAPER, CLIENTS], **NAMED}, ""),
        ({"from": [CLIENTS], **NUMBER}, {"from": [SCRAPER]}, "web"),
        ({"from": [CLIENTS, SCRAPER], **NUMBER}, {"from": [SCRAPER]}, "web"),
        (NUMBER, {"from": [SCRAPER]}, "web"),
        (NUMBER, {"ports": [{"port": 24190}]}, "web"),
    ],
)
def test_another_policy_helps_the_clients_that_it_lets_in(
    numeric: dict[str, Any], other: dict[str, Any], found: str
) -> None:
    assert named_obstacle(policy(numeric), policy(other, name="other")) == found
    assert named_obstacle(policy(other, name="other"), policy(numeric)) == found
    assert named_obstacle(policy(numeric, other)) == found


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "other"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_only_policies_that_select_the_pods_count(selector: dict[str, Any], selected: bool) -> None:
    assert named_obstacle(policy(NUMBER, podSelector=selector)) == ("web" if selected else "")


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"policyTypes": ["Ingress"]}, "web"),
        ({"policyTypes": ["Ingress", "Egress"]}, "web"),
        ({"policyTypes": ["Egress"]}, ""),
        ({"ingress": None}, ""),
    ],
)
def test_only_policies_for_what_comes_in_count(spec: dict[str, Any], found: str) -> None:
    assert named_obstacle(policy(NUMBER, **spec)) == found


def test_the_message_holds_the_fix() -> None:
    written = policy({"ports": [{"port": "http"}, {"port": 8081}]}, name="allow-clients")
    assert written is not None
    obstacle = network_obstacle(LABELS, [HTTP, GRPC], [written])
    assert obstacle is not None
    assert obstacle.reason is Obstacle.NETWORK_POLICY
    assert obstacle.message == (
        "NetworkPolicy allow-clients allows port 8081 by number; collectors listen on 24181: "
        "write `port: grpc`, or allow 24181 too"
    )
