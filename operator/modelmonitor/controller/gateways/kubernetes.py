"""The real API server: paths and verbs by hand, answers as JSON, errors ours."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson

from modelmonitor.api.v1alpha1.monitor import FIELD_MANAGER
from modelmonitor.connection import Client
from modelmonitor.controller.gateways.api_server import (
    PODS,
    Body,
    ObjectReference,
    ObjectVersion,
    Resource,
)
from modelmonitor.controller.gateways.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    GatewayError,
    PermanentError,
    TemporaryError,
)

REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=5)
"""Seconds for one request: far above what a healthy API server needs, below the lease's life."""
LIST_CHUNK: Final = 500
"""Objects in one answer to a list: bounds the memory of both sides."""

_JSON: Final = "application/json"
_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST: Final = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)
_APPLY: Final = "application/apply-patch+yaml"
_DRY_RUN: Final = ("dryRun", "All")
_Query = list[tuple[str, str]]


class KubernetesApiServer:
    """`ApiServer` over HTTP."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        """See `ApiServer.get`."""
        try:
            return await self._request("GET", resource.path(namespace, name))
        except _NotFoundError:
            return None

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", fields: str = ""
    ) -> Sequence[Body]:
        """See `ApiServer.list`."""
        selectors = [("labelSelector", labels), ("fieldSelector", fields)]
        query = [(name, selector) for name, selector in selectors if selector]
        return await self._list(resource.path(namespace), query, _JSON)

    async def get_version(
        self, resource: Resource, namespace: str | None, name: str
    ) -> ObjectVersion | None:
        """See `ApiServer.get_version`."""
        try:
            body = await self._request("GET", resource.path(namespace, name), accept=_METADATA)
        except _NotFoundError:
            return None
        metadata = body["metadata"]
        return ObjectVersion(str(metadata["uid"]), str(metadata["resourceVersion"]))

    async def list_references(
        self, resource: Resource, namespace: str | None
    ) -> Sequence[ObjectReference]:
        """See `ApiServer.list_references`."""
        items = await self._list(resource.path(namespace), [], _METADATA_LIST)
        return [
            ObjectReference(
                item["metadata"].get("namespace", ""),
                item["metadata"]["name"],
                item["metadata"].get("uid", ""),
            )
            for item in items
        ]

    async def create(self, resource: Resource, namespace: str, body: Body) -> Body:
        """See `ApiServer.create`."""
        query = [("fieldManager", FIELD_MANAGER)]
        return await self._request("POST", resource.path(namespace), query, body)

    async def try_create(self, resource: Resource, namespace: str, body: Body) -> Body:
        """See `ApiServer.try_create`."""
        query = [("fieldManager", FIELD_MANAGER), _DRY_RUN]
        return await self._request("POST", resource.path(namespace), query, body)

    async def apply(self, resource: Resource, namespace: str, body: Body, manager: str) -> Body:
        """See `ApiServer.apply`."""
        path = resource.path(namespace, body["metadata"]["name"])
        query = [("fieldManager", manager)]
        return await self._request("PATCH", path, query, body, content_type=_APPLY)

    async def try_apply(self, resource: Resource, namespace: str, body: Body, manager: str) -> None:
        """See `ApiServer.try_apply`."""
        path = resource.path(namespace, body["metadata"]["name"])
        query = [("fieldManager", manager), _DRY_RUN]
        await self._request("PATCH", path, query, body, content_type=_APPLY)

    async def replace(self, resource: Resource, namespace: str, body: Body) -> Body:
        """See `ApiServer.replace`."""
        path = resource.path(namespace, body["metadata"]["name"])
        return await self._request("PUT", path, [("fieldManager", FIELD_MANAGER)], body)

    async def apply_status(self, resource: Resource, namespace: str, body: Body) -> Body:
        """See `ApiServer.apply_status`."""
        path = resource.path(namespace, body["metadata"]["name"], "status")
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        try:
            return await self._request("PATCH", path, query, body, content_type=_APPLY)
        except _NotFoundError as error:
            raise ConflictError(f"the object is gone: {error}") from error

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """See `ApiServer.evict`."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        try:
            await self._request("POST", PODS.path(namespace, pod, "eviction"), [], body)
        except (_NotFoundError, ConflictError):
            return

    async def _list(self, path: str, query: _Query, accept: str) -> Sequence[Mapping[str, Any]]:
        items: list[Mapping[str, Any]] = []
        token = ""
        while True:
            page = [*query, ("limit", str(LIST_CHUNK))]
            if token:
                page.append(("continue", token))
            answer = await self._request("GET", path, page, accept=accept)
            items.extend(answer.get("items") or [])
            token = answer.get("metadata", {}).get("continue", "")
            if not token:
                return items

    async def _request(
        self,
        method: str,
        path: str,
        query: _Query | None = None,
        body: Body | None = None,
        *,
        accept: str = _JSON,
        content_type: str = _JSON,
    ) -> Body:
        try:
            request = await self._client.param_serialize(
                method,
                path,
                query_params=query or [],
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*request, _request_timeout=REQUEST_TIMEOUT)
            payload = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = str(error) or type(error).__name__
            raise TemporaryError(
                f"{method} {path}: the API server did not answer ({why})"
            ) from error
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise error_of(answer.status, payload, f"{method} {path}")
        try:
            decoded: Body = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise TemporaryError(f"{method} {path}: the answer is not JSON") from error
        return decoded


class _NotFoundError(PermanentError):
    """The object does not exist (404)."""


def error_of(status: int, payload: bytes, request: str) -> GatewayError:
    """Return the error that an answer of the API server means.

    Parameters
    ----------
    status
        HTTP status code, 300 or above.
    payload
        Body of the answer: a `Status` object, or anything.
    request
        Method and path, for the message.
    """
    try:
        body = json.loads(payload)
    except ValueError:
        body = {}
    said = body if isinstance(body, dict) else {}
    reason = str(said.get("reason", ""))
    message = str(said.get("message", "")) or f"{request} was answered with {status}"
    if status == HTTPStatus.NOT_FOUND:
        return _NotFoundError(message)
    if status == HTTPStatus.CONFLICT:
        return AlreadyExistsError(message) if reason == "AlreadyExists" else ConflictError(message)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        # A full quota and a namespace that goes away are 403 too, but no lack of rights.
        passes = "exceeded quota" in message or "is being terminated" in message
        return TemporaryError(message) if passes else AccessDeniedError(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TemporaryError(message)
    return PermanentError(message)
