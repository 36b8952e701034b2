"""The keys with which the controller proves to collectors that it is the controller.

The root lies in a Secret of the operator's own namespace, made by the first leader; its public half
lies in a ConfigMap, from which the injector gives it to pods. Leaf keys that sign tokens live in
memory only and are replaced twice a day. The keys by which collectors name values that they must
not tell are derived from the root as well, and never stored.
"""

import base64
import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from modelmonitor.controller.gateways.api_server import (
    CONFIG_MAPS,
    SECRETS,
    ApiServer,
    Body,
    Resource,
)
from modelmonitor.controller.gateways.errors import (
    AlreadyExistsError,
    ConflictError,
    PermanentError,
)
from modelmonitor.core.settings import PRIVATE_ROOT_KEY, PUBLIC_ROOT_KEYS, Settings
from modelmonitor.core.wire.tokens import (
    Leaf,
    Scope,
    issue_leaf,
    issue_token,
    public_root_key,
)

logger = logging.getLogger(__name__)

LEAF_LIFETIME: Final = 24 * 3600.0
"""Seconds for which a leaf may sign."""
LEAF_ROTATION: Final = LEAF_LIFETIME / 2
"""Seconds before its end at which a leaf is replaced."""
_KEY_BYTES: Final = 32
_HASH_KEY_PURPOSE: Final = b"modelmonitor names of new values\0"


async def ensure_root(api: ApiServer, settings: Settings) -> bytes:
    """Return the private root key, made and published where that has not happened yet.

    Raises
    ------
    PermanentError
        If the Secret holds something that is no Ed25519 key.
    TemporaryError
        If the API server does not answer, or another process wrote at the same moment.
    """
    root = await _private_root(api, settings)
    await _publish(api, settings, public_root_key(root))
    return root


async def _private_root(api: ApiServer, settings: Settings) -> bytes:
    namespace, name = settings.namespace, settings.keys_secret
    secret = await api.get(SECRETS, namespace, name)
    text = None if secret is None else (secret.get("data") or {}).get(PRIVATE_ROOT_KEY)
    if text:
        return _load(base64.b64decode(text), name)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    data = {PRIVATE_ROOT_KEY: base64.b64encode(pem).decode()}
    logger.info("making the root key of collectors' tokens in Secret %s", name)
    await _write(api, SECRETS, secret, namespace=namespace, name=name, data=data)
    return key.private_bytes_raw()


async def _publish(api: ApiServer, settings: Settings, public: str) -> None:
    namespace, name = settings.namespace, settings.public_keys_config_map
    present = await api.get(CONFIG_MAPS, namespace, name)
    published = None if present is None else (present.get("data") or {}).get(PUBLIC_ROOT_KEYS)
    if published != public:
        data = {PUBLIC_ROOT_KEYS: public}
        await _write(api, CONFIG_MAPS, present, namespace=namespace, name=name, data=data)


async def _write(
    api: ApiServer,
    resource: Resource,
    present: Body | None,
    *,
    namespace: str,
    name: str,
    data: dict[str, str],
) -> None:
    if present is not None:
        merged = {**(present.get("data") or {}), **data}
        await api.replace(resource, namespace, {**present, "data": merged})
        return
    body: dict[str, Any] = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": "modelmonitor",
                "app.kubernetes.io/managed-by": "modelmonitor-controller",
            },
        },
        "data": data,
    }
    try:
        await api.create(resource, namespace, body)
    except AlreadyExistsError as error:
        raise ConflictError(f"{resource.kind} {name} was made by somebody else just now") from error


def _load(pem: bytes, secret: str) -> bytes:
    try:
        key = load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise PermanentError(
            f"Secret {secret}, key {PRIVATE_ROOT_KEY}, is not readable: delete the Secret, then "
            "restart the controller and recreate the monitored pods"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PermanentError(
            f"Secret {secret}, key {PRIVATE_ROOT_KEY}, is no Ed25519 key: delete the Secret, then "
            "restart the controller and recreate the monitored pods"
        )
    return key.private_bytes_raw()


def hash_key(root: bytes, monitor_uid: str) -> str:
    """Return the key by which a monitor's collectors hash values that they may not tell.

    It is derived (HKDF, RFC 5869), so that it is the same after every restart, and that neither the
    root nor another monitor's key follows from it. It protects against whoever reads panes,
    statuses or messages. Whoever may read the collector's own directory in the pod has the key, and
    can try out guesses; such a person sees the traffic anyway.

    Parameters
    ----------
    root
        Private root key.
    monitor_uid
        UID of the monitor.

    Returns
    -------
    str
        32 bytes in URL-safe base64.
    """
    purpose = _HASH_KEY_PURPOSE + monitor_uid.encode()
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose).derive(root)
    return base64.urlsafe_b64encode(key).decode()


class LeafTokens:
    """Tokens signed by leaf keys that the root has certified (`collectors.Tokens`)."""

    def __init__(self, root: bytes, now: Callable[[], float]) -> None:
        self._root = root
        self._now = now
        self._leaf: Leaf | None = None

    def for_panes(self, pod_uid: str) -> str:
        """See `Tokens.for_panes`."""
        return self._token(pod_uid, Scope.PANES)

    def for_configuration(self, pod_uid: str) -> str:
        """See `Tokens.for_configuration`."""
        return self._token(pod_uid, Scope.CONFIG)

    def _token(self, pod_uid: str, scope: Scope) -> str:
        now = self._now()
        if self._leaf is None or self._leaf.expires - now < LEAF_ROTATION:
            self._leaf = issue_leaf(
                root_private_key=self._root,
                leaf_private_key=secrets.token_bytes(_KEY_BYTES),
                now=now,
                lifetime=LEAF_LIFETIME,
            )
        return issue_token(self._leaf, audience=pod_uid, scope=scope, now=now)
