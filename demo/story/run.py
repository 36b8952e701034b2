"""The order of the story, and of taking it away again."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from demo.story.chapters import Story, digest_of, shell_words
from demo.story.flights import Flights
from demo.story.install import CHART, Installation
from demo.story.kubectl import Kubectl
from demo.story.platforms import Platform
from demo.story.timeline import Timeline
from demo.story.watch import ExpectationError

COMMANDS: Final = Path(sys.executable).parent
"""Where `kubectl-modelmonitor` is, which makes `kubectl modelmonitor` a command."""
_WIDTH: Final = "150"
"""Columns for tables of commands, whose output is not a terminal here."""


def tell(platform: Platform, timeline: Timeline) -> None:
    """Tell the whole story on one platform.

    Raises
    ------
    ExpectationError
        If something did not come true; what the monitor said of itself has been printed.
    """
    flights = _prepare(platform, timeline)
    story = Story(timeline, flights)
    story.model_in_production()
    try:
        with story.watching() as watch:
            story.one_resource(watch)
            story.nothing_happens(watch)
            story.slow_replica(watch)
            before = digest_of(watch.latest().monitor)
            job = story.july(watch)
            story.new_model(watch, job, before)
    except ExpectationError:
        timeline.text(flights.kubectl.run("describe", "mm", "-n", flights.namespace))
        raise
    story.look_around(shell_words(platform.exports, [*platform.programs, COMMANDS]))
    timeline.durations()


def take_away(platform: Platform, timeline: Timeline) -> None:
    """Remove everything that the story has made."""
    timeline.chapter("Take everything away")
    with timeline.step("remove what the demo has made"):
        platform.down()


def _prepare(platform: Platform, timeline: Timeline) -> Flights:
    """Bring up a Kubernetes with modelmonitor, without what an earlier story has left."""
    timeline.chapter("A Kubernetes with modelmonitor")
    with timeline.step("a Kubernetes"):
        platform.up()
    with timeline.step("images"):
        images = platform.images()
    installation = Installation(platform.environment)
    with timeline.step("the Helm chart"):
        timeline.command(f"helm upgrade --install modelmonitor {CHART.name} --wait …")
        installation.install(images.operator, images.collector)
    flights = Flights(Kubectl(_with_commands(platform.environment)), image=images.demo)
    with timeline.step("clean up after an earlier story"):
        flights.remove()
    return flights


def _with_commands(environment: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join([str(COMMANDS), environment.get("PATH", "")])
    return {**environment, "PATH": path, "COLUMNS": _WIDTH}
