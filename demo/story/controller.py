"""What the controller counts about itself: proof that silence was judgement, not sleep."""

import re
from typing import Final

from demo.story.install import NAMESPACE
from demo.story.kubectl import Kubectl

_JUDGED: Final = re.compile(r"^modelmonitor_ticks_judged_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_SELECTOR: Final = "app.kubernetes.io/component=controller"


def judged_intervals(kubectl: Kubectl) -> int:
    """Return how many intervals the controllers have judged since they started, of all monitors."""
    pods = kubectl.get("pods", "-n", NAMESPACE, "-l", _SELECTOR)["items"]
    paths = [
        f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        for pod in pods
    ]
    return sum(judged_in(kubectl.run("get", "--raw", path)) for path in paths)


def judged_in(metrics: str) -> int:
    """Return the judged intervals that a page of metrics tells of."""
    return round(sum(float(value) for value in _JUDGED.findall(metrics)))
