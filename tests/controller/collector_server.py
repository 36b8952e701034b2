"""A collector that speaks the joint over HTTP on a loopback address of its own, without a model."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from modelmonitor.core.wire.configuration import (
    PANE_PORT,
    CollectorConfiguration,
    configuration_digest,
    decode_configuration,
)
from modelmonitor.core.wire.pane import LatencyCounts, Pane, PanesReply, RequestCounts, encode
from modelmonitor.core.wire.tokens import InvalidTokenError, Scope, verify


@dataclass
class ServedCollector:
    """One collector: it closes a pane at the end of each interval, with the traffic of `rate`."""

    host: str
    pod_uid: str
    roots: list[str]
    revision: str = "r1"
    boot_id: str = "boot-1"
    requests: int = 100
    """Per interval."""
    errors: int = 0
    configuration: CollectorConfiguration | None = None
    panes: list[Pane] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why requests were refused."""

    async def panes_handler(self, request: web.Request) -> web.Response:
        if not self._allowed(request, Scope.PANES):
            return web.Response(status=401)
        self._close_panes()
        boot, _, seq = request.query.get("after", ":0").rpartition(":")
        first = int(seq) if boot == self.boot_id else 0
        reply = PanesReply(
            now=time.time(),
            bootID=self.boot_id,
            panes=self.panes[first:],
            configDigest=""
            if self.configuration is None
            else configuration_digest(self.configuration),
        )
        return web.Response(body=encode(reply))

    async def config_handler(self, request: web.Request) -> web.Response:
        if not self._allowed(request, Scope.CONFIG):
            return web.Response(status=401)
        self.configuration = decode_configuration(await request.read())
        return web.Response(status=204)

    def _allowed(self, request: web.Request, scope: Scope) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            verify(
                token,
                root_public_keys=self.roots,
                audience=self.pod_uid,
                scope=scope,
                now=time.time(),
            )
        except InvalidTokenError as error:
            self.refused.append(str(error))
            return False
        return True

    def _close_panes(self) -> None:
        configuration = self.configuration
        if configuration is None:
            return
        interval = configuration.interval
        start = self.panes[-1].end if self.panes else time.time() // interval * interval - interval
        while start + interval <= time.time():
            self.panes.append(self._pane(configuration, start))
            start += interval

    def _pane(self, configuration: CollectorConfiguration, start: float) -> Pane:
        fine = self.requests - self.errors
        return Pane(
            monitorUID=configuration.monitorUID,
            podUID=self.pod_uid,
            bootID=self.boot_id,
            seq=len(self.panes) + 1,
            start=start,
            end=start + configuration.interval,
            interval=configuration.interval,
            revision=self.revision,
            baselineDigest=configuration.baselineDigest,
            forwardedBytes=1,
            copiedBytes=1,
            requests=RequestCounts(seen=self.requests, codes={"200": fine, "500": self.errors}),
            latency={"Response": LatencyCounts(buckets={-200: fine}, count=fine)},
        )


@contextmanager
def serving(collector: ServedCollector) -> Iterator[ServedCollector]:
    """Serve a collector in a thread until the block ends."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.add_routes(
            [
                web.get("/v1/panes", collector.panes_handler),
                web.put("/v1/config", collector.config_handler),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, collector.host, PANE_PORT).start()
        started.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield collector
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
