"""The story: what is done, what the reader is told, and what must come true.

Each chapter raises `ExpectationError` if it does not go as it must; nothing is retried.
"""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.story.controller import wait_for_judged
from demo.story.flights import FIRST_TRAINING, MODEL, Flights
from demo.story.timeline import Timeline
from demo.story.transitions import condition, metric, transitions
from demo.story.watch import ExpectationError, MonitorWatch, Seen
from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import AlertState, ConditionStatus, EpisodePhase, MetricState
from modelmonitor.core.times import parse_time

NULL_INTERVALS: Final = 12
"""Intervals of unchanged traffic in which nothing may fire."""
ALERT_INTERVALS: Final = 5
"""Closed intervals that hold July rows only, within which the alert must come."""
JOB_SECONDS: Final = 5.0
"""Longest time from the breach to the Job."""
SLOW_SECONDS: Final = 3.0
"""How long the slow replica waits before each answer."""

ROWS_PER_SECOND: Final = 50
"""What the client of the manifests sends."""
LATENCY: Final = "latency-p95"
"""The metric with the threshold that a slow replica breaches."""

_READY: Final = 60.0
_WARM: Final = 180.0
_RETRAINING: Final = 300.0


@dataclass(frozen=True)
class Story:
    """Everything a chapter needs.

    Attributes
    ----------
    timeline
        Where it is told.
    flights
        The demo's parts in the cluster.
    """

    timeline: Timeline
    flights: Flights

    @contextmanager
    def watching(self) -> Iterator[MonitorWatch]:
        """Follow the monitor and tell every change of it as it happens."""
        flights = self.flights
        with MonitorWatch(flights.kubectl, flights.namespace, MODEL, self._tell) as watch:
            yield watch

    def model_in_production(self) -> None:
        """Train the first model, serve it, and let its clients ask."""
        self.timeline.chapter(
            "A model in production",
            "Will a flight from New York arrive more than 15 minutes late? A gradient boosting, "
            "trained on real flights and real weather of January and February 2013, served by "
            "MLServer in two replicas. Nothing of this knows of modelmonitor.",
        )
        for name in ("namespace", "trainer"):
            self._apply(name)
        with self.timeline.step("train the first model"):
            self._told(FIRST_TRAINING, self.flights.train_first())
        with self.timeline.step("serve it: two replicas behind a Service"):
            self.timeline.command("kubectl apply -f demo/manifests/deployment.yaml")
            self.timeline.command("kubectl apply -f demo/manifests/service.yaml")
            self.flights.deploy_model()
        with self.timeline.step("start the traffic: flights it was not trained on"):
            self.timeline.command("kubectl apply -f demo/manifests/client.yaml")
            self.flights.start_replay("winter")

    def one_resource(self, watch: MonitorWatch) -> None:
        """Apply the monitor, restart the pods once, and wait until everything is judged OK."""
        self.timeline.chapter(
            "One resource",
            "The monitor names the Deployment, the baseline, the metrics and a Job that "
            "retrains. Pods that run already are left alone: who wants them watched restarts "
            "them, and each comes back with a collector beside the model.",
        )
        self._apply("monitor")
        with self.timeline.step("Ready: target, port, baseline and Job template are found"):
            watch.wait_for(
                "Ready=True", lambda monitor: holds(monitor, "Ready", ConditionStatus.TRUE), _READY
            )
        with self.timeline.step("recreate the pods, one by one"):
            self.timeline.command(f"kubectl rollout restart deployment/{MODEL} -n flights")
            self.flights.restart()
            watch.wait_for(
                "a collector in every pod",
                lambda monitor: holds(monitor, "CollectorsReady", ConditionStatus.TRUE),
                _READY,
            )
        with self.timeline.step("wait until there are enough rows for every verdict"):
            watch.wait_for("OK", is_ok, _WARM)

    def nothing_happens(self, watch: MonitorWatch) -> None:
        """Replay unchanged traffic; nothing may fire."""
        interval = interval_of(watch)
        self.timeline.chapter(
            "Nothing happens, and nothing fires",
            f"Flights of the same two months, in random order, for {NULL_INTERVALS} intervals of "
            f"{interval:.0f} s with about {ROWS_PER_SECOND * interval:.0f} rows each. (In time "
            "order one day's weather would fill whole windows; whether that is drift is another "
            "question, and not this demo's.)",
        )
        before = time.monotonic()
        with self.timeline.step(f"{NULL_INTERVALS} intervals"):
            judged = wait_for_judged(self.flights.kubectl, NULL_INTERVALS, interval)
        self._must_have_been_ok(watch.since(before))
        sent, failed = self._traffic()
        self.timeline.fact(
            f"{judged} intervals judged, none fired; {failed} of {sent} requests failed so far"
        )

    def slow_replica(self, watch: MonitorWatch) -> None:
        """Make one replica slow; the latency threshold fires, and recovers afterwards."""
        pod = self.flights.pods()[0]
        self.timeline.chapter(
            "A threshold, as you know it",
            f"One replica is made {SLOW_SECONDS:g} s slower. {in_words(watch.latest().monitor)}",
        )
        inside = f"kubectl exec -n flights {pod} -c mlserver --"
        self.timeline.command(f"{inside} sh -c 'echo {SLOW_SECONDS:g} > /tmp/slow'")
        with self.timeline.step(f"{LATENCY} fires"):
            self.flights.slow_down(pod, SLOW_SECONDS)
            watch.wait_for(
                f"{LATENCY} fires", lambda one: state_of(one, LATENCY) is MetricState.FIRING, 120
            )
        self.timeline.command(f"{inside} rm /tmp/slow")
        with self.timeline.step(f"{LATENCY} recovers"):
            self.flights.speed_up(pod)
            watch.wait_for("OK again", is_ok, 120)

    def july(self, watch: MonitorWatch) -> str:
        """Replay July; the inputs fire within a few intervals and the Job is there at once.

        Returns
        -------
        str
            Name of the retraining Job.
        """
        interval = interval_of(watch)
        self.timeline.chapter(
            "July",
            "The same airlines, the same airports, another season. The model keeps answering "
            "as confidently as before: its scores hardly move. What it is asked about has moved.",
        )
        self.timeline.command(
            "kubectl exec -n flights deployment/flight-client -- sh -c 'echo july > /tmp/phase'"
        )
        with self.timeline.step("Alerting=True"):
            began = self.flights.replay("july")
            alert = watch.wait_for(
                "Alerting=True",
                lambda monitor: holds(monitor, "Alerting", ConditionStatus.TRUE),
                (ALERT_INTERVALS + 6) * interval,
            )
        intervals = july_intervals(began, alert.monitor, interval)
        self.timeline.fact(
            f"after {intervals} closed intervals of {interval:.0f} s that hold July only"
            if intervals
            else f"the first interval of {interval:.0f} s with some July in it was enough"
        )
        if intervals > ALERT_INTERVALS:
            raise ExpectationError(
                f"the alert came after {intervals} intervals of July, more than {ALERT_INTERVALS}"
            )
        with self.timeline.step("a retraining Job"):
            opened = watch.wait_for(
                "a retraining episode with its Job running",
                lambda monitor: phase_of(monitor) not in {None, EpisodePhase.OPENED},
                60,
            )
        return self._created_in_time(opened.monitor)

    def new_model(self, watch: MonitorWatch, job: str, old_digest: str) -> None:
        """Wait for the Job, the new baseline and OK."""
        self.timeline.chapter(
            "A new model",
            "The Job trains on labelled flights of July, builds the new baseline from others, "
            "rolls the Deployment, and then puts the baseline in force. The monitor starts afresh "
            "against it.",
        )
        with self.timeline.step("the Job"):
            self._told(job, self.flights.wait_for_job(job, _RETRAINING))
        with self.timeline.step("the new baseline is in force"):
            watch.wait_for(
                "a new baseline digest", lambda monitor: digest_of(monitor) != old_digest, 60
            )
        with self.timeline.step("back to OK, on July's traffic"):
            watch.wait_for("OK", is_ok, _WARM)
        jobs = [one["metadata"]["name"] for one in self.flights.jobs()]
        if jobs != [job]:
            raise ExpectationError(f"there must be one retraining Job, {job}, but there are {jobs}")
        sent, failed = self._traffic()
        self.timeline.fact(f"one Job; {failed} of {sent} requests failed in the whole story")

    def look_around(self, environment: str) -> None:
        """Say how to go on from here.

        Parameters
        ----------
        environment
            The shell command that points `kubectl` at the cluster.
        """
        self.timeline.chapter("Look around", "Everything is still running.")
        kubectl, namespace = self.flights.kubectl, self.flights.namespace
        back_to_winter = "sh -c 'echo winter > /tmp/phase'  # July's model meets February"
        for looked in (("get", "mm"), ("modelmonitor", "status", MODEL)):
            self.timeline.command(f"kubectl {' '.join(looked)} -n {namespace}")
            self.timeline.text(kubectl.run(*looked, "-n", namespace))
        lines = [
            environment,
            f"kubectl get mm -n {namespace} -o wide",
            f"kubectl describe mm {MODEL} -n {namespace}",
            f"kubectl get events -n {namespace} --field-selector involvedObject.kind=ModelMonitor",
            f"kubectl get pods -n {namespace} -o wide",
            "kubectl logs -n modelmonitor-system deployment/modelmonitor-controller",
            f"kubectl exec -n {namespace} deployment/flight-client -- {back_to_winter}",
            "make demo-down",
        ]
        self.timeline.text("\n".join(lines))

    def _apply(self, name: str) -> None:
        self.timeline.command(f"kubectl apply -f demo/manifests/{name}.yaml")
        self.flights.apply(f"{name}.yaml")

    def _tell(self, before: Seen | None, now: Seen) -> None:
        for sentence in transitions(before.monitor if before else None, now.monitor):
            self.timeline.event(sentence)

    def _told(self, job: str, output: str) -> None:
        self.timeline.command(f"kubectl logs -n flights job/{job}")
        self.timeline.text(output)

    def _must_have_been_ok(self, states: list[Seen]) -> None:
        for seen in states:
            if not is_ok(seen.monitor):
                status = seen.monitor.status
                raise ExpectationError(
                    f"nothing has changed, and yet the monitor was {status.alert_state}: "
                    f"{status.summary}; worst: {status.worst}"
                )

    def _traffic(self) -> tuple[int, int]:
        reports = self.flights.client_reports()
        return sum(one["sent"] for one in reports), sum(one["failed"] for one in reports)

    def _created_in_time(self, monitor: ModelMonitor) -> str:
        retraining = monitor.status.retraining
        if retraining is None or retraining.episode is None:
            raise ExpectationError("the episode is gone from the status")
        episode = retraining.episode
        created = {
            job["metadata"]["name"]: parse_time(job["metadata"]["creationTimestamp"])
            for job in self.flights.jobs()
        }
        if list(created) != [episode.job_name]:
            raise ExpectationError(
                f"there must be one Job, {episode.job_name}, but there are {list(created)}"
            )
        delay = created[episode.job_name] - parse_time(episode.opened_at)
        self.timeline.fact(f"{episode.job_name}, {delay:.0f} s after the breach")
        if delay > JOB_SECONDS:
            raise ExpectationError(f"the Job came {delay:.0f} s after the breach")
        return episode.job_name


def is_ok(monitor: ModelMonitor) -> bool:
    """Say whether every metric is judged and none complains."""
    return monitor.status.alert_state is AlertState.OK


def holds(monitor: ModelMonitor, kind: str, status: ConditionStatus) -> bool:
    """Say whether a condition has a status, for the present generation of the spec."""
    one = condition(monitor, kind)
    return (
        one is not None
        and one.status is status
        and one.observed_generation == monitor.metadata.generation
    )


def state_of(monitor: ModelMonitor, name: str) -> MetricState | None:
    """Return the alert state of one metric, None while it has not been judged."""
    one = metric(monitor, name)
    return one.state if one else None


def in_words(monitor: ModelMonitor) -> str:
    """Return the latency threshold as a sentence, empty if there is none."""
    for declared in monitor.spec.metrics:
        if declared.name == LATENCY and declared.threshold is not None:
            limit = declared.threshold
            return (
                f"The threshold of {LATENCY} is {limit.warning} s for a warning and "
                f"{limit.critical} s for critical, held for {limit.pending_for}; the alert ends "
                f"when the latency has been below {limit.recover_at} s for "
                f"{limit.keep_firing_for}."
            )
    return ""


def phase_of(monitor: ModelMonitor) -> EpisodePhase | None:
    """Return how far the retraining episode is, None without one."""
    retraining = monitor.status.retraining
    return retraining.episode.phase if retraining and retraining.episode else None


def digest_of(monitor: ModelMonitor) -> str:
    """Return the digest of the baseline in force, empty without one."""
    return monitor.status.baseline.digest if monitor.status.baseline else ""


def interval_of(watch: MonitorWatch) -> float:
    """Return the monitor's interval in seconds."""
    return parse_duration(watch.latest().monitor.spec.interval)


def july_intervals(began: float, monitor: ModelMonitor, interval: float) -> int:
    """Return how many intervals of July alone had been judged when the monitor was seen.

    Parameters
    ----------
    began
        When the first row of July was sent, seconds since 1970.
    monitor
        The monitor as it was seen.
    interval
        Seconds; intervals start at multiples of it.
    """
    if monitor.status.evaluated_at is None:
        raise ExpectationError("the monitor has not judged anything")
    first = -(-began // interval) * interval
    return max(0, round((parse_time(monitor.status.evaluated_at) - first) / interval))


def shell_words(exports: Mapping[str, str], programs: Sequence[Path]) -> str:
    """Return what a reader exports in a shell to reach the same cluster with the same programs.

    Parameters
    ----------
    exports
        Variables and their values.
    programs
        Folders to put in front of `PATH`.
    """
    path = ":".join([*(shlex.quote(str(folder)) for folder in programs), "$PATH"])
    words = [f"{name}={shlex.quote(value)}" for name, value in exports.items()]
    return f"export {' '.join([*words, f'PATH={path}'])}"
