"""Collectors, as the controller speaks to them: pulling closed panes, pushing configuration.

A collector runs in a user's pod: what it answers is bounded, typed and never shown to anybody; a
redirect is a failure.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
import msgspec

from modelmonitor.controller.gateways.errors import PermanentError, TemporaryError
from modelmonitor.core.wire.configuration import (
    PANE_PORT,
    CollectorConfiguration,
    encode_configuration,
)
from modelmonitor.core.wire.pane import PanesReply, decode_reply

CONNECT_TIMEOUT: Final = 2.0
"""Seconds; pods of one cluster are milliseconds apart."""
ANSWER_TIMEOUT: Final = 5.0
"""Seconds beside the wait that was asked for."""
MAX_REPLY_BYTES: Final = 9 * 1024 * 1024
"""A collector keeps 8 MiB of panes; more than that is not an answer."""
CONCURRENCY: Final = 64
"""Pulls at the same time; those that wait for the last pane of a pod do not count."""


@dataclass(frozen=True, slots=True)
class CollectorAddress:
    """Where the collector of a pod answers."""

    pod_uid: str
    pod: str
    """Name, for messages."""
    host: str
    """IP address of the pod."""

    def url(self, path: str) -> str:
        """Return the URL of a path; IPv6 addresses in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{PANE_PORT}{path}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last pane that was taken from a collector."""

    boot_id: str
    seq: int

    def __str__(self) -> str:
        """Return the cursor as `after` spells it."""
        return f"{self.boot_id}:{self.seq}"


class Tokens(Protocol):
    """Short-lived proofs that the controller speaks."""

    def for_panes(self, pod_uid: str) -> str:
        """Return a token that lets the bearer read this pod's panes."""
        ...

    def for_configuration(self, pod_uid: str) -> str:
        """Return a token that lets the bearer configure this pod's collector."""
        ...


class Collectors(Protocol):
    """What the controller asks of collectors.

    `TemporaryError` where one does not answer, `PermanentError` where it refuses or answers what
    is not a message of the joint.
    """

    async def pull(
        self, address: CollectorAddress, after: Cursor | None, wait: float = 0.0
    ) -> PanesReply:
        """Return the closed panes after a cursor; with `wait`, up to so many seconds later."""
        ...

    async def configure(
        self, address: CollectorAddress, configuration: CollectorConfiguration
    ) -> None:
        """Give a collector its configuration."""
        ...


class HttpCollectors:
    """`Collectors` over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, tokens: Tokens) -> None:
        self._session = session
        self._tokens = tokens
        self._free = asyncio.Semaphore(CONCURRENCY)

    async def pull(
        self, address: CollectorAddress, after: Cursor | None, wait: float = 0.0
    ) -> PanesReply:
        """See `Collectors.pull`."""
        query = {"wait": f"{wait:.3f}"}
        if after is not None:
            query["after"] = str(after)
        if wait > 0:
            return await self._pull(address, query, wait)
        async with self._free:
            return await self._pull(address, query, wait)

    async def configure(
        self, address: CollectorAddress, configuration: CollectorConfiguration
    ) -> None:
        """See `Collectors.configure`."""
        headers = {
            "Authorization": f"Bearer {self._tokens.for_configuration(address.pod_uid)}",
            "Content-Type": "application/json",
        }
        async with self._free:
            await self._ask(
                "PUT",
                address,
                "/v1/config",
                headers=headers,
                data=encode_configuration(configuration),
            )

    async def _pull(
        self, address: CollectorAddress, query: dict[str, str], wait: float
    ) -> PanesReply:
        headers = {"Authorization": f"Bearer {self._tokens.for_panes(address.pod_uid)}"}
        payload = await self._ask(
            "GET", address, "/v1/panes", headers=headers, query=query, wait=wait
        )
        try:
            return decode_reply(payload)
        except msgspec.DecodeError as error:
            raise PermanentError(
                f"the collector of pod {address.pod} answered what is not a reply with panes"
            ) from error

    async def _ask(
        self,
        method: str,
        address: CollectorAddress,
        path: str,
        *,
        headers: dict[str, str],
        query: dict[str, str] | None = None,
        data: bytes | None = None,
        wait: float = 0.0,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT + wait, connect=CONNECT_TIMEOUT)
        try:
            async with self._session.request(
                method,
                address.url(path),
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                payload = await _bounded(answer, address)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            # Other errors than those of connecting quote what was answered.
            why = str(error) if isinstance(error, OSError) else ""
            why = why or type(error).__name__
            raise TemporaryError(
                f"the collector of pod {address.pod} does not answer on port {PANE_PORT}: {why}"
            ) from error
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TemporaryError(
                f"the collector of pod {address.pod} answered {answer.status} to {method} {path}"
            )
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise PermanentError(
                f"the collector of pod {address.pod} refused {method} {path} with {answer.status}"
            )
        return payload


async def _bounded(answer: aiohttp.ClientResponse, address: CollectorAddress) -> bytes:
    payload = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        payload += chunk
        if len(payload) > MAX_REPLY_BYTES:
            raise PermanentError(
                f"the collector of pod {address.pod} answered more than {MAX_REPLY_BYTES} bytes"
            )
    return bytes(payload)
