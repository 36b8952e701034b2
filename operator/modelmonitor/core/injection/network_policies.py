"""Whether a NetworkPolicy would cut injected pods off, asked before a pod is injected.

A collector takes over a port's name and its clients, not its number. A policy that allows a port by
name follows; one that allows it by number goes on allowing the number at which nobody calls any
more, and the traffic that the Service now sends to the collector is dropped.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from modelmonitor.api.v1alpha1.collection import TakeoverType
from modelmonitor.core.injection.capture import CaptureObstacle, Obstacle, PortLocation


class Operator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the labels of a pod; an entry of matchLabels is `In` one value."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet the condition; `NotIn` is met by a missing label too."""
        match self.operator:
            case Operator.IN:
                return self.key in labels and labels[self.key] in self.values
            case Operator.NOT_IN:
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class AllowedPort:
    """A TCP port that a rule allows."""

    port: int | str | None = None
    """Number, name, or None for every port."""
    end: int | None = None
    """Last number of a range that begins with `port`."""

    def allows(self, name: str, number: int) -> bool:
        """Return whether a container's port of this name and number is meant."""
        if self.port is None:
            return True
        if isinstance(self.port, str):
            return self.port == name
        return self.port <= number <= (self.port if self.end is None else self.end)


@dataclass(frozen=True, slots=True)
class IngressRule:
    """What may come in."""

    ports: tuple[AllowedPort, ...] | None = None
    """TCP ports; None: every port."""
    peers: frozenset[str] = frozenset()
    """From where, each as canonical text that is only compared; empty: from anywhere."""

    def allows(self, name: str, number: int) -> bool:
        """Return whether a port of this name and number may be reached."""
        return self.ports is None or any(port.allows(name, number) for port in self.ports)


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """A NetworkPolicy that restricts what comes in, as far as it decides."""

    name: str
    selector: tuple[Requirement, ...] = ()
    """Conditions that all hold for the pods it is about; none: every pod of the namespace."""
    rules: tuple[IngressRule, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether pods with these labels are restricted by the policy."""
        return all(requirement.matches(labels) for requirement in self.selector)


def network_obstacle(
    labels: Mapping[str, str], ports: Sequence[PortLocation], policies: Sequence[NetworkPolicy]
) -> CaptureObstacle | None:
    """Return the first policy that reaches the model now and would not reach its collector.

    Policies add up: what one does not allow another may. Clients that a policy lets in by number
    count as cut off unless rules that allow the collector's port name the same peers, or anybody.

    Parameters
    ----------
    labels
        Of the pods, once they are injected.
    ports
        The captured ports.
    policies
        All policies of the namespace that restrict what comes in.
    """
    selecting = [policy for policy in policies if policy.selects(labels)]
    rules = [rule for policy in selecting for rule in policy.rules]
    for port in ports:
        if port.takeover is TakeoverType.USER_PORT:
            continue  # called on loopback only, by queue-proxy
        followed = [rule for rule in rules if rule.allows(port.name, port.captured)]
        for policy in selecting:
            if any(_cuts_off(rule, port, followed) for rule in policy.rules):
                return CaptureObstacle(
                    Obstacle.NETWORK_POLICY,
                    f"NetworkPolicy {policy.name} allows port {port.number} by number; collectors "
                    f"listen on {port.captured}: write `port: {port.name}`, or allow "
                    f"{port.captured} too",
                )
    return None


def _cuts_off(rule: IngressRule, port: PortLocation, followed: Sequence[IngressRule]) -> bool:
    if not rule.allows(port.name, port.number) or rule.allows(port.name, port.captured):
        return False
    if any(not other.peers for other in followed):
        return False
    reached = frozenset[str]().union(*(other.peers for other in followed))
    return not rule.peers or not rule.peers <= reached


def parse_network_policy(body: Mapping[str, Any]) -> NetworkPolicy | None:
    """Return what a NetworkPolicy says about traffic that comes in; None if it says nothing."""
    spec = body.get("spec") or {}
    if "Ingress" not in (spec.get("policyTypes") or ["Ingress"]):
        return None
    return NetworkPolicy(
        name=str(body["metadata"]["name"]),
        selector=_selector(spec.get("podSelector") or {}),
        rules=tuple(_rule(rule) for rule in spec.get("ingress") or []),
    )


def _selector(selector: Mapping[str, Any]) -> tuple[Requirement, ...]:
    labels = (
        Requirement(key, Operator.IN, frozenset({value}))
        for key, value in (selector.get("matchLabels") or {}).items()
    )
    expressions = (
        Requirement(
            expression["key"],
            Operator(expression["operator"]),
            frozenset(expression.get("values") or []),
        )
        for expression in selector.get("matchExpressions") or []
    )
    return (*labels, *expressions)


def _rule(rule: Mapping[str, Any]) -> IngressRule:
    ports = rule.get("ports") or None
    return IngressRule(
        ports=None
        if ports is None
        else tuple(
            AllowedPort(port.get("port"), port.get("endPort"))
            for port in ports
            if port.get("protocol", "TCP") == "TCP"
        ),
        peers=frozenset(json.dumps(peer, sort_keys=True) for peer in rule.get("from") or []),
    )
