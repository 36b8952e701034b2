"""Tokens with which the controller speaks to collectors: Ed25519 JSON Web Tokens.

A long-lived root signs *leaf certificates* (a JWT that carries a rotating public key), and a leaf
signs *access tokens* of 60 s. An access token carries its leaf's certificate in the header `crt`,
so a collector needs the public roots only, and nothing in a user's namespace is secret.

Time and key material are parameters: nothing here reads a clock or draws random numbers.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOKEN_LIFETIME: Final = 60.0
"""Seconds an access token is valid."""
LEEWAY: Final = 30.0
"""Seconds by which two clocks may differ."""
MAX_TOKEN_BYTES: Final = 4096

_ALGORITHM: Final = "EdDSA"
_CERTIFICATE_HEADER: Final = "crt"
_LEAF_CLAIM: Final = "leaf"
_KEY_BYTES: Final = 32


class Scope(StrEnum):
    """What a token allows."""

    PANES = "panes"
    CONFIG = "config"


class InvalidTokenError(Exception):
    """A token that is not accepted; the message says why and what to check."""


class InsufficientScopeError(InvalidTokenError):
    """A valid token that allows something else."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A rotating signing key with its certificate."""

    private_key: bytes
    """32 raw bytes."""
    certificate: str
    """JWT signed by the root."""
    expires: float
    """Seconds since the epoch."""


def public_root_key(root_private_key: bytes) -> str:
    """Return the public half of a root key, raw in URL-safe base64 without padding.

    Parameters
    ----------
    root_private_key
        32 raw bytes.
    """
    return _public_text(Ed25519PrivateKey.from_private_bytes(root_private_key))


def issue_leaf(
    *, root_private_key: bytes, leaf_private_key: bytes, now: float, lifetime: float
) -> Leaf:
    """Return a leaf whose certificate the root has signed.

    Parameters
    ----------
    root_private_key, leaf_private_key
        32 raw bytes each; the leaf's are random and never written down.
    now
        Seconds since the epoch.
    lifetime
        Seconds the leaf may sign for; rotate well before.
    """
    leaf = Ed25519PrivateKey.from_private_bytes(leaf_private_key)
    expires = now + lifetime
    claims = {_LEAF_CLAIM: _public_text(leaf), "iat": int(now), "exp": int(expires)}
    root = Ed25519PrivateKey.from_private_bytes(root_private_key)
    return Leaf(
        private_key=leaf_private_key,
        certificate=jwt.encode(claims, root, algorithm=_ALGORITHM),
        expires=expires,
    )


def issue_token(leaf: Leaf, *, audience: str, scope: Scope, now: float) -> str:
    """Return an access token for one pod and one scope, valid for `TOKEN_LIFETIME`.

    Parameters
    ----------
    leaf
        The key that signs.
    audience
        UID of the pod that is to accept the token.
    scope
        What the token allows.
    now
        Seconds since the epoch.
    """
    claims = {
        "aud": audience,
        "scope": str(scope),
        "iat": int(now),
        "exp": int(now + TOKEN_LIFETIME),
    }
    return jwt.encode(
        claims,
        Ed25519PrivateKey.from_private_bytes(leaf.private_key),
        algorithm=_ALGORITHM,
        headers={_CERTIFICATE_HEADER: leaf.certificate},
    )


def verify(
    token: str, *, root_public_keys: Sequence[str], audience: str, scope: Scope, now: float
) -> None:
    """Accept a token, or raise.

    Parameters
    ----------
    token
        The access token.
    root_public_keys
        As `public_root_key` writes them; any of them may have signed the leaf.
    audience
        The own pod's UID.
    scope
        What is asked for.
    now
        Seconds since the epoch, on the own clock.

    Raises
    ------
    InsufficientScopeError
        If the token is valid but was issued for another scope.
    InvalidTokenError
        If the token is anything else but valid.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(f"the token has more than {MAX_TOKEN_BYTES} bytes")
    leaf = _leaf_key(_certificate(token), root_public_keys, now)
    claims = _claims(token, leaf, "the token's signature does not match its leaf certificate")
    _check_times(claims, now, "the token")
    if claims.get("aud") != audience:
        raise InvalidTokenError(
            f"the token is for pod {str(claims.get('aud'))[:64]!r}, not for this pod, {audience!r}"
        )
    if claims.get("scope") != scope:
        raise InsufficientScopeError(
            f"the token's scope is {str(claims.get('scope'))[:64]!r}: "
            f"this needs the scope {str(scope)!r}"
        )


def parse_root_keys(text: str) -> list[str]:
    """Return the public root keys of an environment variable, separated by commas.

    Raises
    ------
    ValueError
        If a key is not 32 raw bytes in URL-safe base64.
    """
    keys = [key.strip() for key in text.split(",") if key.strip()]
    for key in keys:
        _public_key(key)
    return keys


def _certificate(token: str) -> str:
    try:
        certificate = jwt.get_unverified_header(token).get(_CERTIFICATE_HEADER)
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError(f"the token is not a JSON Web Token ({error})") from error
    if not isinstance(certificate, str):
        raise InvalidTokenError(f"the token carries no leaf certificate (header {'crt'!r})")
    return certificate


def _leaf_key(certificate: str, roots: Sequence[str], now: float) -> Ed25519PublicKey:
    for root in roots:
        try:
            claims = _claims(certificate, _public_key(root), "")
        except InvalidTokenError:
            continue
        _check_times(claims, now, "the leaf certificate")
        try:
            return _public_key(str(claims.get(_LEAF_CLAIM)))
        except ValueError as error:
            raise InvalidTokenError(f"the leaf certificate has no usable key: {error}") from error
    raise InvalidTokenError(
        "the leaf certificate is signed by none of the known roots: this pod was injected with "
        "other keys (MM_ROOT_KEYS) than the controller has; recreate the pod"
    )


def _claims(token: str, key: Ed25519PublicKey, message: str) -> dict[str, Any]:
    # Times and audience are checked here, with the caller's clock, not by the library.
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    try:
        return jwt.decode(token, key, algorithms=[_ALGORITHM], options=options)
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidTokenError(message or str(error)) from error


def _check_times(claims: dict[str, Any], now: float, what: str) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise InvalidTokenError(f"{what} has no times (iat, exp)")
    if now > expires + LEEWAY:
        raise InvalidTokenError(
            f"{what} expired {now - expires:.0f} s ago: check the clocks of both nodes"
        )
    if now < issued - LEEWAY:
        raise InvalidTokenError(
            f"{what} is from {issued - now:.0f} s in the future: check the clocks of both nodes"
        )


def _public_text(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes_raw()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text[:64]!r} is not URL-safe base64") from error
    if len(raw) != _KEY_BYTES:
        raise ValueError(f"a public key has {_KEY_BYTES} bytes, this one {len(raw)}")
    return Ed25519PublicKey.from_public_bytes(raw)
