"""The pods of a target as collecting and judging need them."""

from collections import Counter
from collections.abc import Sequence

from modelmonitor.controller.gateways.api_server import Body
from modelmonitor.controller.gateways.collectors import CollectorAddress
from modelmonitor.controller.reconcile.collection import CollectorPod
from modelmonitor.controller.reconcile.objects import Target
from modelmonitor.core.injection.capture import Capture
from modelmonitor.core.injection.pods import PodView, pod_view


def target_pods(bodies: Sequence[Body], target: Target, capture: Capture) -> tuple[PodView, ...]:
    """Return the pods that a target owns, its selector's other matches left out."""
    views = (pod_view(body, capture) for body in bodies)
    return tuple(view for view in views if view.workload == target.workload and not view.ended)


def collector_pods(pods: Sequence[PodView]) -> list[CollectorPod]:
    """Return those of a monitor's pods whose collectors can be spoken to."""
    return [
        CollectorPod(CollectorAddress(pod.uid, pod.name, pod.address), leaving=pod.deleting)
        for pod in pods
        if pod.address and pod.collector is not None and pod.collector.awaited_since is None
    ]


def ready_by_revision(pods: Sequence[PodView]) -> Counter[str]:
    """Return how many ready pods each revision has."""
    return Counter(pod.revision for pod in pods if pod.ready and not pod.deleting)
