"""The connection to the API server, on `kubernetes.aio`, for the controller and the injector.

Only its credentials, TLS and connection pool are used. Its typed APIs cost 36 MB of memory, and its
dynamic client asks for the API's discovery first; both roles know the few paths they need.
"""

import os
from typing import Any, Protocol

import aiohttp
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient, Configuration


class Client(Protocol):
    """The part of `kubernetes.aio.client.ApiClient` that is used."""

    async def param_serialize(self, method: str, resource_path: str, **options: Any) -> Any:
        """Return the arguments of `call_api`, with credentials in the headers."""
        ...

    async def call_api(self, *request: Any, _request_timeout: aiohttp.ClientTimeout) -> Any:
        """Send a request and return the answer, whatever its status."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


async def connect() -> Client:
    """Return a client for the cluster this process runs in, or for the user's kubeconfig.

    Raises
    ------
    kubernetes.aio.config.ConfigException
        If there is neither a service account nor a kubeconfig.
    """
    config: Any = kubernetes_config  # only some of its functions have types
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        # The client looked at the variable when it was imported, which may have been too early.
        kubeconfig = os.environ.get("KUBECONFIG")
        await config.load_kube_config(kubeconfig, client_configuration=configuration)
    client: Any = ApiClient(configuration)
    connected: Client = client
    return connected
