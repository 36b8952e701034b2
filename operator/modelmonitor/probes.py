"""The server of /livez, /readyz and /metrics, for the controller and the injector."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Problem = Callable[[], str]
"""Returns what is wrong; empty if nothing is. Decided from memory, never by asking anybody."""


def probe_app(alive: Problem, ready: Problem, registry: CollectorRegistry) -> web.Application:
    """Return the server.

    Parameters
    ----------
    alive
        Returns why the process should be restarted.
    ready
        Returns why the process is not ready.
    registry
        What /metrics shows.
    """

    def answer(problem: str) -> web.Response:
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    async def livez(_: web.Request) -> web.Response:
        return answer(alive())

    async def readyz(_: web.Request) -> web.Response:
        return answer(ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    return app
