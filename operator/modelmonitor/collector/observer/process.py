"""The observer process: the stream in, panes and the pane port out."""

import asyncio
import contextlib
import gc
import secrets
import socket
from collections.abc import Sequence
from typing import Final

import uvloop
from aiohttp import web

from modelmonitor.collector.control import Control, Word
from modelmonitor.collector.environment import CollectorEnvironment
from modelmonitor.collector.handover import Record
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.clock import Clock, SystemClock
from modelmonitor.collector.observer.configuration import keep_configuration, load_configuration
from modelmonitor.collector.observer.events import EventRecorder
from modelmonitor.collector.observer.metrics import registry_for
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.server import PaneServer
from modelmonitor.collector.observer.shelf import Shelf, storage_in
from modelmonitor.collector.observer.state import State
from modelmonitor.collector.observer.stream import HandoverStream
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Pane

TICK_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 5.0
"""A splice that says nothing for so long does not say when panes end: the own clock does."""
DRAIN_SECONDS: Final = 8.0
"""Longest wait for the splice's last record."""
GOODBYE_SECONDS: Final = 0.1
"""For the answer to the acknowledging poll to leave."""


class Observer:
    """Joins the parts; also what they call when something happens."""

    def __init__(
        self, environment: CollectorEnvironment, control: Control, clock: Clock, *, replaces: bool
    ) -> None:
        self._environment = environment
        self._control = control
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._gone = asyncio.Event()
        self._stream: HandoverStream | None = None
        self._heard = clock.monotonic()
        self._totals = Totals()
        shelf = Shelf(storage_in(environment.state_directory / "panes"))
        book = PaneBook(
            identity=Identity(
                monitor_uid=environment.monitor_uid,
                pod_uid=environment.pod_uid,
                revision=environment.revision,
                boot_id=secrets.token_hex(8),
            ),
            clock=clock,
            closed=self._pane_closed,
            configuration=load_configuration(environment.state_directory, environment.monitor_uid),
            replaces=replaces,
        )
        self._state = State(book=book, shelf=shelf, last_pull=clock.monotonic())
        self._recorder = Recorder(book, environment.port_names, self._totals)
        self._taking: Recorder | EventRecorder = self._recorder
        if environment.events_port is not None:
            self._taking = EventRecorder(self._recorder)

    async def run(self, panes: socket.socket, stream: socket.socket) -> None:
        """Observe until the supervisor is gone."""
        self._loop.add_reader(self._control.fileno(), self._hear)
        server = PaneServer(
            environment=self._environment,
            state=self._state,
            clock=self._clock,
            apply=self._apply,
            registry=registry_for(self._totals, self._state),
        )
        runner = web.AppRunner(server.application(), access_log=None)
        await runner.setup()
        await web.SockSite(runner, panes).start()
        await self._attach(stream)
        ticking = self._loop.create_task(self._tick())
        await self._gone.wait()
        ticking.cancel()

    def records(self, records: Sequence[Record]) -> None:
        """Count records of the hand-over."""
        if self._taking.take_all(records):
            self._end()

    def heard(self) -> None:
        """Note that the splice lives."""
        self._heard = self._clock.monotonic()

    def stream_broken(self) -> None:
        """End, so that the supervisor starts another observer with another stream."""
        if self._state.draining:
            self._end()
        else:
            self._gone.set()

    def stream_lost(self, stream: HandoverStream) -> None:
        """Forget the connections of a splice that is gone."""
        if stream is not self._stream:
            return
        self._stream = None
        self._taking.forget_connections()
        if self._state.draining:
            self._end()

    async def _attach(self, stream: socket.socket) -> None:
        previous, self._stream = self._stream, HandoverStream(self)
        if previous is not None:
            previous.close()
        self._taking.forget_connections()
        current = self._stream
        await self._loop.create_unix_connection(lambda: current, sock=stream)
        self._ask_for_copies()

    def _hear(self) -> None:
        while (said := self._control.receive()) is not None:
            word, passed = said
            if word is Word.STREAM and passed is not None:
                self._attaching = self._loop.create_task(self._attach(passed))
            elif word is Word.DRAIN:
                self._drain()
            elif word is Word.GONE:
                self._loop.remove_reader(self._control.fileno())
                self._gone.set()
                return

    def _drain(self) -> None:
        self._state.draining = True
        if self._stream is None:
            self._end()
        else:
            self._loop.call_later(DRAIN_SECONDS, self._end)

    def _end(self) -> None:
        """Close the final pane and wait for somebody to read it."""
        book = self._state.book
        if book.ended:
            return
        book.end(self._clock.monotonic())
        self._state.news.announce()
        self._leaving = self._loop.create_task(self._leave())

    async def _leave(self) -> None:
        while self._state.copying_wanted(self._clock.monotonic()):
            if self._state.acknowledged:
                await asyncio.sleep(GOODBYE_SECONDS)
                break
            await self._state.news.wait(TICK_SECONDS)
        self._control.send(Word.DONE)

    def _apply(self, configuration: CollectorConfiguration) -> None:
        keep_configuration(self._environment.state_directory, configuration)
        self._recorder.apply(configuration, self._clock.monotonic())
        self._ask_for_copies()

    def _pane_closed(self, pane: Pane) -> None:
        self._totals.add_pane(pane)
        self._state.shelf.add(pane)
        self._state.news.announce()

    async def _tick(self) -> None:
        while True:
            self._control.send(Word.ALIVE)
            now = self._clock.monotonic()
            if now - self._heard > SILENCE_SECONDS:
                self._recorder.advance(now)
            self._ask_for_copies()
            await asyncio.sleep(TICK_SECONDS)

    def _ask_for_copies(self) -> None:
        if self._stream is not None:
            self._stream.ask(copies=self._state.copying_wanted(self._clock.monotonic()))


def run(
    environment: CollectorEnvironment,
    panes: socket.socket,
    control: Control,
    stream: socket.socket,
    *,
    replaces: bool,
) -> None:
    """Run the observer in this process until the supervisor is gone."""

    async def work() -> None:
        observer = Observer(environment, control, SystemClock(), replaces=replaces)
        gc.collect()
        gc.freeze()  # what was imported stays
        await observer.run(panes, stream)

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(work())
