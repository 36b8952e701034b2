"""An injector process of its own for tests on a real API server: `python -m …injector_process`."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from modelmonitor.connection import connect
from modelmonitor.core.settings import settings_from
from modelmonitor.injector.gateway import KubernetesApiServer
from modelmonitor.injector.main import Injector, serve


async def main() -> None:
    """Serve the webhook with the certificate of TEST_TLS on TEST_PORT, health beside it."""
    settings, tls = settings_from(os.environ), Path(os.environ["TEST_TLS"])
    async with AsyncExitStack() as stack:
        api = KubernetesApiServer(await connect(), settings.namespace)
        stack.push_async_callback(api.close)
        injector = Injector(settings, api)
        certificate = tls.with_suffix(".crt").read_bytes()
        injector.certificate.load(certificate, tls.with_suffix(".key").read_bytes())
        port = int(os.environ["TEST_PORT"])
        await serve(stack, injector.webhook(), port, injector.certificate, host="127.0.0.1")
        await serve(stack, injector.health(), port, host="127.0.0.2")
        await injector.work()


if __name__ == "__main__":
    asyncio.run(main())
