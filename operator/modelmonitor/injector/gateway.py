"""The real API server: paths and verbs by hand, answers as JSON."""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from modelmonitor.api.v1alpha1.monitor import FIELD_MANAGER, GROUP, PLURAL, VERSION
from modelmonitor.connection import Client
from modelmonitor.injector.api_server import (
    ApiServerError,
    ConflictError,
    ExpiredError,
    MonitorList,
    SecretData,
    TrustEntry,
    WatchEvent,
)

REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=5)
"""Seconds for one request."""
WATCH_SECONDS: Final = 300
"""After this the API server ends the stream, and it is opened anew."""
WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=5, sock_read=120)
"""The API server sends a bookmark each minute; two minutes of silence is a dead connection."""
LIST_CHUNK: Final = 500

_JSON: Final = "application/json"
_JSON_PATCH: Final = "application/json-patch+json"
_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_Query = list[tuple[str, str]]


class KubernetesApiServer:
    """`ApiServer` over HTTP."""

    def __init__(self, client: Client, own_namespace: str) -> None:
        self._client = client
        self._own = f"/api/v1/namespaces/{own_namespace}"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def list_monitors(self, namespace: str | None) -> MonitorList:
        """See `ApiServer.list_monitors`."""
        items: list[Mapping[str, Any]] = []
        page: _Query = [("limit", str(LIST_CHUNK))]
        while True:
            answer = await self._json("GET", _monitors(namespace), page)
            items.extend(answer.get("items") or [])
            token = answer["metadata"].get("continue", "")
            if not token:
                return MonitorList(items, answer["metadata"]["resourceVersion"])
            page = [("limit", str(LIST_CHUNK)), ("continue", token)]

    async def watch_monitors(
        self, namespace: str | None, resource_version: str
    ) -> AsyncIterator[WatchEvent]:
        """See `ApiServer.watch_monitors`."""
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        ]
        stream = await self._open("GET", _monitors(namespace), query, patience=WATCH_TIMEOUT)
        try:
            async for line in _lines(stream):
                yield _event(line)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiServerError(f"the watch of monitors broke ({_why(error)})") from error
        finally:
            stream.close()

    async def get_secret(self, name: str) -> SecretData | None:
        """See `ApiServer.get_secret`."""
        body = await self._find(f"{self._own}/secrets/{name}")
        if body is None:
            return None
        data = {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}
        return SecretData(data, body["metadata"]["resourceVersion"])

    async def put_secret(
        self, name: str, data: Mapping[str, bytes], resource_version: str | None
    ) -> None:
        """See `ApiServer.put_secret`."""
        metadata: dict[str, Any] = {"name": name}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": metadata,
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        manager = [("fieldManager", FIELD_MANAGER)]
        if resource_version is None:
            await self._json("POST", f"{self._own}/secrets", manager, body)
            return
        metadata["resourceVersion"] = resource_version
        await self._json("PUT", f"{self._own}/secrets/{name}", manager, body)

    async def get_config_map(self, name: str) -> Mapping[str, str] | None:
        """See `ApiServer.get_config_map`."""
        body = await self._find(f"{self._own}/configmaps/{name}")
        return None if body is None else (body.get("data") or {})

    async def get_trust(self, configuration: str) -> Sequence[TrustEntry] | None:
        """See `ApiServer.get_trust`."""
        body = await self._find(f"{_CONFIGURATIONS}/{configuration}")
        if body is None:
            return None
        return [
            TrustEntry(
                webhook["name"], base64.b64decode(webhook["clientConfig"].get("caBundle") or "")
            )
            for webhook in body.get("webhooks") or []
        ]

    async def put_trust(self, configuration: str, entries: Sequence[TrustEntry]) -> None:
        """See `ApiServer.put_trust`."""
        patch = [
            operation
            for position, entry in enumerate(entries)
            for operation in (
                {"op": "test", "path": f"/webhooks/{position}/name", "value": entry.name},
                {
                    "op": "add",
                    "path": f"/webhooks/{position}/clientConfig/caBundle",
                    "value": base64.b64encode(entry.ca_bundle).decode(),
                },
            )
        ]
        path, query = f"{_CONFIGURATIONS}/{configuration}", [("fieldManager", FIELD_MANAGER)]
        await self._json("PATCH", path, query, patch, content_type=_JSON_PATCH)

    async def _find(self, path: str) -> Any:
        try:
            return await self._json("GET", path, [])
        except _NotFoundError:
            return None

    async def _json(
        self, method: str, path: str, query: _Query, body: Any = None, content_type: str = _JSON
    ) -> Any:
        answer = await self._open(method, path, query, body, content_type=content_type)
        try:
            return json.loads(await answer.read())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiServerError(f"{method} {path}: the answer broke ({_why(error)})") from error

    async def _open(
        self,
        method: str,
        path: str,
        query: _Query,
        body: Any = None,
        *,
        content_type: str = _JSON,
        patience: aiohttp.ClientTimeout = REQUEST_TIMEOUT,
    ) -> aiohttp.ClientResponse:
        try:
            request = await self._client.param_serialize(
                method,
                path,
                query_params=query,
                header_params={"Accept": _JSON, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            wrapped = await self._client.call_api(*request, _request_timeout=patience)
            answer: aiohttp.ClientResponse = wrapped.response
            if answer.status < HTTPStatus.MULTIPLE_CHOICES:
                return answer
            payload = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiServerError(
                f"{method} {path}: the API server did not answer ({_why(error)})"
            ) from error
        raise _error_of(answer.status, payload, f"{method} {path}")


class _NotFoundError(ApiServerError):
    """The object does not exist (404)."""


def _monitors(namespace: str | None) -> str:
    inside = f"namespaces/{namespace}/" if namespace is not None else ""
    return f"/apis/{GROUP}/{VERSION}/{inside}{PLURAL}"


async def _lines(stream: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield complete lines, however long: objects may be larger than any reader's line limit."""
    rest = b""
    async for chunk in stream.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _event(line: bytes) -> WatchEvent:
    try:
        event = json.loads(line)
        kind, body = str(event["type"]), event["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiServerError("the watch of monitors sent something that is no event") from error
    if kind != "ERROR":
        return WatchEvent(kind, body)
    message = str(body.get("message", "the watch of monitors failed"))
    if body.get("code") == HTTPStatus.GONE:
        raise ExpiredError(message)
    raise ApiServerError(message)


def _error_of(status: int, payload: bytes, request: str) -> ApiServerError:
    try:
        message = str(json.loads(payload)["message"])
    except (ValueError, KeyError, TypeError):
        message = f"{request} was answered with {status}"
    if status == HTTPStatus.NOT_FOUND:
        return _NotFoundError(message)
    if status == HTTPStatus.GONE:
        return ExpiredError(message)
    # A JSON patch whose test does not hold is answered with 422.
    if status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return ConflictError(message)
    return ApiServerError(message)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
