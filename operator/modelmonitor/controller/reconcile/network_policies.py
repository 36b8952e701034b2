"""The NetworkPolicies of a target's namespace: listed, parsed, and held against its ports."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from modelmonitor.api.v1alpha1.monitor import MONITOR_LABEL
from modelmonitor.controller.gateways.api_server import NETWORK_POLICIES, ApiServer, Body
from modelmonitor.controller.gateways.errors import AccessDeniedError
from modelmonitor.controller.reconcile.objects import Key, Target
from modelmonitor.core.capture import CaptureObstacle, locate_ports
from modelmonitor.core.network_policies import (
    AllowedPort,
    IngressRule,
    NetworkPolicy,
    Operator,
    Requirement,
    network_obstacle,
)

logger = logging.getLogger(__name__)


class NetworkPolicies:
    """Asks the API server for the policies of a namespace."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._denied = False

    async def obstacle(
        self, key: Key, target: Target, port_names: Sequence[str]
    ) -> CaptureObstacle | None:
        """Return the policy that would cut the target's injected pods off, None if none would.

        Without the right to list policies nothing is known of any, which is logged once.

        Raises
        ------
        TemporaryError
            If the API server does not answer.
        """
        try:
            bodies = await self._api.list(NETWORK_POLICIES, key.namespace)
        except AccessDeniedError as error:
            if not self._denied:
                logger.warning(
                    "NetworkPolicies cannot be looked at, so that one which allows a model's port "
                    "by number is not noticed: %s; update the operator's role",
                    error,
                )
            self._denied = True
            return None
        parsed = (parse_network_policy(body) for body in bodies)
        labels = {**(target.template_metadata.get("labels") or {}), MONITOR_LABEL: key.name}
        return network_obstacle(
            labels,
            locate_ports(target.template_spec, port_names),
            [policy for policy in parsed if policy is not None],
        )


def parse_network_policy(body: Body) -> NetworkPolicy | None:
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
