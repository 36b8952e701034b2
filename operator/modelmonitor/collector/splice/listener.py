"""Accepting clients of one port, and refusing them while the model does.

A client that is refused knows that nothing was processed and may try elsewhere. If the splice
accepted connections while the model is down, "refused" would turn into "connected, then closed",
which clients do not retry. So when the model refuses, the client is reset, the port is closed, and
it opens again when the model answers.

Before the model has answered for the first time the port stays open: in a pod, the model's
container starts only after this port has answered the collector's startup probe.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

from modelmonitor.collector import sockets

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.05
"""How often a model that refuses is asked again."""
ACCEPT_AGAIN_SECONDS: Final = 0.1
"""Pause after an accept that failed for want of descriptors or memory."""
PROBE_SECONDS: Final = 0.1
"""Pause before a client is reset while the model has not started: a reset that overtakes the end
of the handshake would fail the startup probe, which needs to see an open port only."""
ACCEPTS_AT_ONCE: Final = 64

_LOOPBACKS: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))

Serve = Callable[[socket.socket, socket.socket], Coroutine[Any, Any, None]]
"""What happens with a client's socket and the model's; takes both over."""


class Listener:
    """One captured port."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        upstream: int,
        serve: Serve,
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._upstream = upstream
        self._serve = serve
        self._loopback = 0
        self._model_seen = False
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Accept clients, or wait for the model if an earlier worker found it refusing."""
        if sockets.is_listening(self._listening):
            self._loop.add_reader(self._listening, self._accept)
        else:
            self._start(self._wait_for_model())

    def stop(self) -> None:
        """Serve whom the kernel has accepted already, refuse the next ones."""
        self._stopped = True
        if sockets.is_listening(self._listening):
            self._loop.remove_reader(self._listening)
            while self._accept_one():
                pass
            sockets.stop_listening(self._listening)

    @property
    def busy(self) -> bool:
        """Whether a client is about to be connected with the model."""
        return bool(self._tasks)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
        try:
            client, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            logger.warning("cannot accept a connection: %s", error)
            self._loop.remove_reader(self._listening)
            self._loop.call_later(ACCEPT_AGAIN_SECONDS, self._resume)
            return False
        client.setblocking(False)
        self._start(self._connect(client))
        return True

    def _resume(self) -> None:
        if not self._stopped and sockets.is_listening(self._listening):
            self._loop.add_reader(self._listening, self._accept)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket) -> None:
        try:
            model = await self._dial()
        except OSError as error:
            if not self._model_seen:
                await asyncio.sleep(PROBE_SECONDS)
            sockets.reset_on_close(client)
            client.close()
            if isinstance(error, ConnectionRefusedError):
                self._refused()
            return
        self._model_seen = True
        await self._serve(client, model)

    def _refused(self) -> None:
        if self._model_seen and not self._stopped and sockets.is_listening(self._listening):
            logger.info("the model refuses connections on port %d: so do we", self._upstream)
            self._loop.remove_reader(self._listening)
            sockets.stop_listening(self._listening)
            self._start(self._wait_for_model())

    async def _wait_for_model(self) -> None:
        while not self._stopped:
            try:
                (await self._dial()).close()
            except OSError:
                await asyncio.sleep(POLL_SECONDS)
                continue
            self._model_seen = True
            self._listening.listen(sockets.BACKLOG)
            self._loop.add_reader(self._listening, self._accept)
            logger.info("the model answers on port %d: accepting connections", self._upstream)
            return

    async def _dial(self) -> socket.socket:
        """Return a connection to the model: the loopback address that worked last, then the other.

        Raises
        ------
        OSError
            `ConnectionRefusedError` if the model listens on neither.
        """
        try:
            return await self._dial_at(self._loopback)
        except ConnectionRefusedError:
            other = 1 - self._loopback
            try:
                model = await self._dial_at(other)
            except OSError as error:
                # No IPv6 here is no news; what the first address said is what matters.
                raise ConnectionRefusedError(f"port {self._upstream} is closed") from error
            self._loopback = other
            return model

    async def _dial_at(self, loopback: int) -> socket.socket:
        family, address = _LOOPBACKS[loopback]
        model = socket.socket(family, socket.SOCK_STREAM)
        try:
            model.setblocking(False)
            sockets.without_delay(model)
            # Not the loop's sock_connect: it looks numbers up in a pool of threads.
            failure = model.connect_ex((address, self._upstream))
            if failure == errno.EINPROGRESS:
                # On loopback the answer is there already; asking is cheaper than waiting for it.
                failure = model.connect_ex((address, self._upstream))
            if failure == errno.EALREADY:
                await self._writable(model)
                failure = model.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure not in {0, errno.EISCONN}:
                raise OSError(failure, os.strerror(failure))
            if model.getsockname() == model.getpeername():
                # The kernel gave this end the very port it dialled: it speaks with itself.
                raise ConnectionRefusedError(f"port {self._upstream} is closed")
        except BaseException:
            model.close()
            raise
        return model

    async def _writable(self, connecting: socket.socket) -> None:
        """Wait until a connection is made, or has failed."""
        made = asyncio.Event()
        self._loop.add_writer(connecting, made.set)
        try:
            await made.wait()
        finally:
            self._loop.remove_writer(connecting)
