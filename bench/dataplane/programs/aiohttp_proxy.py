"""A proxy of the kind that is written first: an aiohttp server that asks with an aiohttp client.

It counts what the collector counts, where everything passes anyway.

python -m bench.dataplane.programs.aiohttp_proxy PORT UPSTREAM_PORT FEATURES asyncio|uvloop

`GET /seen` answers with the number of requests that were counted.
"""

import sys
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import uvloop
from aiohttp import web

from bench.dataplane.programs.counting import Counting

HOP_BY_HOP: Final = frozenset({"connection", "host", "keep-alive", "transfer-encoding"})


class Proxy:
    """Forwards every request to one server, and counts it when it was answered."""

    def __init__(self, upstream: int, counting: Counting) -> None:
        self._base = f"http://127.0.0.1:{upstream}"
        self._counting = counting
        self._session: aiohttp.ClientSession

    async def session(self, _: web.Application) -> AsyncIterator[None]:
        """Hold the client's connections while the application runs."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._session = session
            yield

    async def forward(self, request: web.Request) -> web.Response:
        """Ask the server and answer with what it said."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        body = await request.read()
        url = self._base + request.path_qs
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            content = await answer.read()
        self._counting.add(body, content)
        return web.Response(status=answer.status, headers=kept, body=content)

    async def seen(self, _: web.Request) -> web.Response:
        """Say how many requests were counted."""
        return web.Response(text=str(self._counting.pairs))


def application(upstream: int, features: int) -> web.Application:
    proxy = Proxy(upstream, Counting(features))
    app = web.Application(client_max_size=1 << 24)
    app.cleanup_ctx.append(proxy.session)
    app.router.add_get("/seen", proxy.seen)
    app.router.add_post("/{path:.*}", proxy.forward)
    return app


def main() -> None:
    port, upstream, features = (int(word) for word in sys.argv[1:4])
    if sys.argv[4] == "uvloop":
        uvloop.install()
    web.run_app(
        application(upstream, features), host="127.0.0.1", port=port, access_log=None, print=None
    )


if __name__ == "__main__":
    main()
