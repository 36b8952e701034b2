"""A small client of the API server: one connection, JSON in and out."""

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from modelmonitor.api.v1alpha1.monitor import GROUP, PLURAL, VERSION

Body = dict[str, Any]
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """What the API server answered."""

    code: int
    body: Body

    @property
    def accepted(self) -> bool:
        """Whether the request was obeyed."""
        return self.code < 300

    @property
    def causes(self) -> list[str]:
        """The reasons of a refusal, `field: message`, sorted."""
        details = self.body.get("details", {})
        return sorted(f"{each['field']}: {each['message']}" for each in details.get("causes", ()))


class ApiServer:
    """The API server that a kubeconfig leads to, as the user in it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        files = {
            "ca": cluster["certificate-authority-data"],
            "certificate": user["client-certificate-data"],
            "key": user["client-key-data"],
        }
        for name, data in files.items():
            (folder / name).write_bytes(base64.b64decode(data))
        context = ssl.create_default_context(cafile=str(folder / "ca"))
        context.load_cert_chain(folder / "certificate", folder / "key")
        address = urlsplit(cluster["server"])
        assert address.hostname
        self._connection = http.client.HTTPSConnection(
            address.hostname, address.port, context=context, timeout=30
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def monitors(self, namespace: str, method: str, name: str = "", **request: Any) -> Answer:
        """Ask something of the monitors of a namespace, or of one; `name` may end in /status."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
        return self.ask(method, f"{path}/{name}" if name else path, **request)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        content_type: str = "application/json",
        **query: str,
    ) -> Answer:
        """Send one request; unknown fields are refused, as kubectl has it."""
        parameters = urlencode({"fieldValidation": "Strict", **query} if body else query)
        self._connection.request(
            method,
            f"{path}?{parameters}",
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type, "Accept": "application/json"},
        )
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
