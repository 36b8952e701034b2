"""The NetworkPolicies of a target's namespace: listed, and held against its ports."""

import logging

from modelmonitor.api.v1alpha1.monitor import MONITOR_LABEL
from modelmonitor.controller.gateways.api_server import NETWORK_POLICIES, ApiServer
from modelmonitor.controller.gateways.errors import AccessDeniedError
from modelmonitor.controller.reconcile.objects import Key, Target
from modelmonitor.core.injection.capture import Capture, CaptureObstacle, locate_ports
from modelmonitor.core.injection.network_policies import network_obstacle, parse_network_policy

logger = logging.getLogger(__name__)


class NetworkPolicies:
    """Asks the API server for the policies of a namespace."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._denied = False

    async def obstacle(self, key: Key, target: Target, capture: Capture) -> CaptureObstacle | None:
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
            locate_ports(target.template_spec, capture),
            [policy for policy in parsed if policy is not None],
        )
