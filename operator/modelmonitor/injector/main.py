"""The injector as a process: two servers, the watch of monitors, and the keepers of keys."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from modelmonitor import __version__
from modelmonitor.connection import connect
from modelmonitor.core.settings import METRICS_PORT, SERVING_PORT, Settings
from modelmonitor.injector.admission import Admission
from modelmonitor.injector.api_server import ApiServer, ApiServerError
from modelmonitor.injector.backoff import Backoff
from modelmonitor.injector.gateway import KubernetesApiServer
from modelmonitor.injector.keeper import CertificateKeeper, RootKeyKeeper
from modelmonitor.injector.liveness import Heartbeats
from modelmonitor.injector.metrics import InjectorMetrics
from modelmonitor.injector.plan import PlanBook
from modelmonitor.injector.selftest import SelfTest
from modelmonitor.injector.server import webhook_app
from modelmonitor.injector.tls import HotCertificate
from modelmonitor.injector.watch import MonitorWatch
from modelmonitor.logs import configure_logging
from modelmonitor.probes import probe_app

KEEP_INTERVAL: Final = 60.0
"""Seconds between looks at certificates and keys while all is in place."""
RETRY_INTERVAL: Final = 2.0
"""Seconds while something is missing, for example at the first start of everything."""
FAREWELL: Final = 5.0
"""Seconds of service after SIGTERM: API servers learn late that this replica is going."""

logger = logging.getLogger(__name__)


class Injector:
    """The parts of one replica, wired together."""

    def __init__(
        self,
        settings: Settings,
        api: ApiServer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = CollectorRegistry()
        self.certificate = HotCertificate()
        self._metrics = InjectorMetrics(self.registry)
        self._plans = PlanBook()
        self._settings = settings
        self._api = api
        self._admission = Admission(settings, self._plans, monotonic, __version__)
        self._self_test = SelfTest(settings, monotonic, __version__)
        self._heartbeats = Heartbeats(monotonic)
        self._unlisted = set[str | None](settings.namespaces or (None,))
        self._leaving = False

    def problem(self) -> str:
        """Return why no pods should be sent to this replica; empty if they may."""
        missing = {
            "the process is about to end": self._leaving,
            "the first list of monitors is not complete": bool(self._unlisted),
            "there is no certificate yet": not self.certificate.loaded,
            "the controller has not published its public key yet": not self._admission.root_keys,
        }
        waiting = "; ".join(sentence for sentence, holds in missing.items() if holds)
        return waiting or self._self_test.problem(self._admission.root_keys)

    def stuck(self) -> str:
        """Return why the process should be started anew; empty if it should not."""
        return self._heartbeats.problem()

    def leave(self) -> None:
        """Report unready from now on."""
        self._leaving = True

    def health(self) -> web.Application:
        """Return the server of health and metrics."""
        return probe_app(self.stuck, self.problem, self.registry)

    def webhook(self) -> web.Application:
        """Return the server of the webhook."""
        return webhook_app(self._admission, self._metrics, lambda: self._leaving)

    async def work(self) -> None:
        """Watch monitors and keep certificates and keys, until cancelled."""
        certificates = CertificateKeeper(self._api, self._settings, self.certificate, self._metrics)
        keys = RootKeyKeeper(self._api, self._settings, self._admission)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat("certificates", certificates.keep))
            tasks.create_task(self._repeat("public keys", keys.keep))
            for namespace in list(self._unlisted):
                tasks.create_task(self._watch(namespace).run())

    def _watch(self, namespace: str | None) -> MonitorWatch:
        return MonitorWatch(
            self._api,
            self._plans,
            self._metrics,
            namespace,
            on_listed=lambda: self._unlisted.discard(namespace),
            alive=self._heartbeats.loop(f"watch of monitors in {namespace or 'all namespaces'}"),
        )

    async def _repeat(self, what: str, step: Callable[[], Awaitable[bool]]) -> None:
        backoff = Backoff(RETRY_INTERVAL, KEEP_INTERVAL)
        alive = self._heartbeats.loop(what)
        while True:
            alive()
            try:
                delay = KEEP_INTERVAL if await step() else RETRY_INTERVAL
                backoff.reset()
            except ApiServerError as error:
                self._metrics.certificate_failures.inc()
                delay = backoff.next()
                logger.warning("%s: %s; next try in %.1f s", what, error, delay)
            except Exception:
                self._metrics.certificate_failures.inc()
                delay = backoff.next()
                logger.exception("%s: next try in %.1f s", what, delay)
            await asyncio.sleep(delay)


def run(settings: Settings) -> int:
    """Run the injector until SIGTERM or SIGINT; return the exit code of the process."""
    configure_logging(settings.logging_level)
    asyncio.run(_main(settings))
    return 0


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        api = KubernetesApiServer(await connect(), settings.namespace)
        stack.push_async_callback(api.close)
        injector = Injector(settings, api)
        work = asyncio.create_task(injector.work())
        stack.callback(work.cancel)
        await serve(stack, injector.health(), METRICS_PORT)
        # A handshake before there is a certificate fails; until then the replica is not ready.
        await serve(stack, injector.webhook(), SERVING_PORT, injector.certificate)
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        injector.leave()
        await asyncio.sleep(FAREWELL)


async def serve(
    stack: AsyncExitStack,
    app: web.Application,
    port: int,
    certificate: HotCertificate | None = None,
    host: str | None = None,
) -> int:
    """Serve an application until the stack is closed; return the port.

    Parameters
    ----------
    stack
        Ends the server.
    app
        What is served.
    port
        TCP port; 0 lets the system choose.
    certificate
        For TLS; None: in the clear.
    host
        Address to listen on; None: all, of IPv4 and IPv6.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(
        runner, host, port, ssl_context=None if certificate is None else certificate.context
    )
    await site.start()
    bound: int = runner.addresses[0][1]
    return bound
