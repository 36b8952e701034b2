"""Follows one ModelMonitor, remembers every state it was in, and waits for what should come."""

import codecs
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, Self

from demo.story.kubectl import Kubectl
from modelmonitor.api.v1alpha1.monitor import ModelMonitor

_RETRY_SECONDS: Final = 1.0
_CHUNK: Final = 65536


class ExpectationError(AssertionError):
    """The story did not go as it must; the message says what was missing."""


@dataclass(frozen=True)
class Seen:
    """A monitor as it was seen at one moment.

    Attributes
    ----------
    at
        Seconds on the monotonic clock.
    time
        Seconds since the epoch.
    monitor
        The monitor.
    """

    at: float
    time: float
    monitor: ModelMonitor


Predicate = Callable[[ModelMonitor], bool]
Listener = Callable[[Seen | None, Seen], None]


class MonitorWatch:
    """A running watch of one monitor; use it as a context manager.

    Parameters
    ----------
    kubectl
        The cluster.
    namespace, name
        The monitor.
    listener
        Told of every state, with the one before it, in the watch's own thread.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        namespace: str,
        name: str,
        listener: Listener = lambda _before, _now: None,
    ) -> None:
        self._kubectl = kubectl
        self._arguments = ("get", "modelmonitor", name, "-n", namespace, "-w", "-o", "json")
        self._listener = listener
        self._changed = threading.Condition()
        self._history: list[Seen] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"watch-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=10)

    def since(self, moment: float) -> list[Seen]:
        """Return every state that held at or after a moment of the monotonic clock."""
        with self._changed:
            later = [seen for seen in self._history if seen.at >= moment]
            earlier = [seen for seen in self._history if seen.at < moment]
            return earlier[-1:] + later

    def latest(self) -> Seen:
        """Return the state that holds now.

        Raises
        ------
        ExpectationError
            If the monitor has not been seen yet.
        """
        with self._changed:
            if not self._history:
                raise ExpectationError("the monitor has not been seen yet")
            return self._history[-1]

    def wait_for(self, what: str, predicate: Predicate, timeout: float) -> Seen:
        """Return the first state from now on that satisfies `predicate`; the present one counts.

        Raises
        ------
        ExpectationError
            If there was none within `timeout` seconds; the message says what was waited for.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            position = max(len(self._history) - 1, 0)
            while True:
                for seen in self._history[position:]:
                    if predicate(seen.monitor):
                        return seen
                position = len(self._history)
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise ExpectationError(f"{what}: not within {timeout:.0f} s")
                self._changed.wait(remaining)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._process = self._kubectl.stream(*self._arguments)
            with self._process as process:
                if self._stopped.is_set():  # set while the process started: nobody else ends it
                    process.terminate()
                if process.stdout is not None:
                    for body in json_objects(process.stdout):
                        self._remember(ModelMonitor.model_validate(body))
            self._stopped.wait(_RETRY_SECONDS)

    def _remember(self, monitor: ModelMonitor) -> None:
        before = self._history[-1] if self._history else None
        seen = Seen(time.monotonic(), time.time(), monitor)
        if before is not None and before.monitor == monitor:
            return
        self._listener(before, seen)  # first: whoever waits for it goes on telling afterwards
        with self._changed:
            self._history.append(seen)
            self._changed.notify_all()


def json_objects(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a stream that has one after the other, as each becomes complete."""
    decoder = json.JSONDecoder()
    decode = codecs.getincrementaldecoder("utf-8")().decode
    text = ""
    while chunk := os.read(stream.fileno(), _CHUNK):
        text += decode(chunk)
        while text := text.lstrip():
            try:
                body, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break
            yield body
            text = text[end:]
