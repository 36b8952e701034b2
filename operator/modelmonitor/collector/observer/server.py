"""The pane port: pull panes, push a configuration, scrape metrics.

GET /v1/panes?after=<bootID>:<seq>&wait=<s>   token with scope panes   msgpack PanesReply
PUT /v1/config                                token with scope config  JSON ConfigurationReply
GET /metrics, GET /livez                      no token: no value of a request is in them
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from modelmonitor.collector.environment import CollectorEnvironment
from modelmonitor.collector.observer.clock import Clock
from modelmonitor.collector.observer.configuration import (
    MAX_CONFIGURATION,
    InvalidConfigurationError,
    read_configuration,
)
from modelmonitor.collector.observer.shelf import Cursor
from modelmonitor.collector.observer.state import State
from modelmonitor.core.wire.configuration import (
    CollectorConfiguration,
    ConfigurationReply,
    configuration_digest,
)
from modelmonitor.core.wire.pane import PanesReply, encode_reply
from modelmonitor.core.wire.tokens import (
    InsufficientScopeError,
    InvalidTokenError,
    Scope,
    verify,
)

LONGEST_WAIT: Final = 30.0
"""Seconds a poll is held open at most."""

_BEARER: Final = "Bearer "
_MSGPACK: Final = "application/msgpack"
_JSON: Final = "application/json"


class _Problem(msgspec.Struct, frozen=True):
    """The body of an answer that is not 200."""

    error: str


class PaneServer:
    """Answers the controller and Prometheus.

    Parameters
    ----------
    environment
        Who is allowed to ask.
    state
        What there is to tell.
    clock
        Both clocks.
    apply
        Puts a checked configuration in force, now or with the next pane.
    registry
        What `/metrics` shows.
    """

    def __init__(
        self,
        *,
        environment: CollectorEnvironment,
        state: State,
        clock: Clock,
        apply: Callable[[CollectorConfiguration], None],
        registry: CollectorRegistry,
    ) -> None:
        self._environment = environment
        self._state = state
        self._clock = clock
        self._apply = apply
        self._registry = registry

    def application(self) -> web.Application:
        """Return the application with all routes."""
        application = web.Application(client_max_size=MAX_CONFIGURATION)
        application.router.add_get("/v1/panes", self._allowed(Scope.PANES, self._panes))
        application.router.add_put("/v1/config", self._allowed(Scope.CONFIG, self._config))
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/livez", self._livez)
        return application

    def _allowed(
        self, scope: Scope, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def checked(request: web.Request) -> web.Response:
            header = request.headers.get(hdrs.AUTHORIZATION, "")
            if not header.startswith(_BEARER):
                return _problem(401, "a token is needed: Authorization: Bearer <token>")
            try:
                verify(
                    header.removeprefix(_BEARER),
                    root_public_keys=self._environment.root_keys,
                    audience=self._environment.pod_uid,
                    scope=scope,
                    now=self._clock.wall(),
                )
            except InsufficientScopeError as error:
                return _problem(403, str(error))
            except InvalidTokenError as error:
                return _problem(401, str(error))
            return await handler(request)

        return checked

    async def _panes(self, request: web.Request) -> web.Response:
        state = self._state
        try:
            cursor = _cursor(request.query.get("after", ""))
            wait = _wait(request.query.get("wait", "0"))
        except ValueError as error:
            return _problem(400, str(error))
        state.pulled(self._clock.monotonic(), cursor)
        deadline = asyncio.get_running_loop().time() + wait
        while not state.shelf.has_after(cursor) and not state.book.ended:
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0 or not await state.news.wait(remaining):
                break
        reply = PanesReply(
            now=self._clock.wall(),
            bootID=state.book.boot_id,
            lost=state.shelf.lost,
            configDigest=state.book.digest,
            pendingDigest=_pending_digest(state),
            draining=state.draining,
        )
        return web.Response(
            body=encode_reply(reply, state.shelf.after(cursor)), content_type=_MSGPACK
        )

    async def _config(self, request: web.Request) -> web.Response:
        try:
            configuration = read_configuration(await request.read(), self._environment.monitor_uid)
        except InvalidConfigurationError as error:
            return _problem(400, str(error))
        self._apply(configuration)
        answer = ConfigurationReply(
            configDigest=self._state.book.digest, pendingDigest=_pending_digest(self._state)
        )
        return web.Response(body=msgspec.json.encode(answer), content_type=_JSON)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry),
            headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_PLAIN_0_0_4},
        )

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")


def _pending_digest(state: State) -> str:
    pending = state.book.pending
    return configuration_digest(pending) if pending else ""


def _cursor(text: str) -> Cursor | None:
    if not text:
        return None
    boot_id, _, sequence = text.partition(":")
    if not boot_id or not sequence.isdecimal():
        raise ValueError(f"after: {text[:64]!r} is not <bootID>:<seq>")
    return Cursor(boot_id, int(sequence))


def _wait(text: str) -> float:
    try:
        wait = float(text)
    except ValueError:
        wait = math.nan
    if not 0.0 <= wait <= LONGEST_WAIT:
        raise ValueError(f"wait: {text[:64]!r} is not between 0 and {LONGEST_WAIT:.0f} seconds")
    return wait


def _problem(status: int, sentence: str) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(_Problem(sentence)), content_type=_JSON
    )
