"""What the controller counts about itself: proof that silence was judgement, not sleep."""

import re
import time
from typing import Final

from demo.story.install import NAMESPACE
from demo.story.kubectl import Kubectl
from demo.story.watch import ExpectationError

_JUDGED: Final = re.compile(r"^modelmonitor_ticks_judged_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_SELECTOR: Final = "app.kubernetes.io/component=controller"


def wait_for_judged(kubectl: Kubectl, wanted: int, interval: float) -> int:
    """Wait until so many more intervals have been judged, and return how many it were.

    A controller that was restarted counts from zero again; what it had judged before still counts.

    Parameters
    ----------
    kubectl
        The cluster.
    wanted
        Number of intervals.
    interval
        Seconds; each may take twice as long.

    Raises
    ------
    ExpectationError
        If that takes too long.
    """
    deadline = time.monotonic() + 2 * (wanted + 2) * interval
    judged, last = 0, judged_intervals(kubectl)
    while judged < wanted:
        if time.monotonic() > deadline:
            raise ExpectationError(f"only {judged} of {wanted} intervals were judged in time")
        time.sleep(interval / 2)
        now = judged_intervals(kubectl)
        judged += now - last if now >= last else now
        last = now
    return judged


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
