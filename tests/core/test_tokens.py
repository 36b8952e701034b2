"""Who may pull panes and push configurations."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.wire.tokens import (
    LEEWAY,
    TOKEN_LIFETIME,
    InsufficientScopeError,
    InvalidTokenError,
    Leaf,
    Scope,
    issue_leaf,
    issue_token,
    parse_root_keys,
    public_root_key,
    verify,
)

ROOT, OTHER_ROOT, LEAF_KEY = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
NOW = 1_800_000_000.0
DAY = 86_400.0
POD = "pod-1"


def leaf(root: bytes = ROOT, now: float = NOW, lifetime: float = DAY) -> Leaf:
    return issue_leaf(root_private_key=root, leaf_private_key=LEAF_KEY, now=now, lifetime=lifetime)


def token(signed_by: Leaf | None = None, scope: Scope = Scope.PANES, now: float = NOW) -> str:
    return issue_token(signed_by or leaf(), audience=POD, scope=scope, now=now)


def check(text: str, now: float = NOW, scope: Scope = Scope.PANES, pod: str = POD) -> None:
    verify(
        text,
        root_public_keys=[public_root_key(OTHER_ROOT), public_root_key(ROOT)],
        audience=pod,
        scope=scope,
        now=now,
    )


@pytest.mark.parametrize("skew", [0.0, -LEEWAY, TOKEN_LIFETIME, TOKEN_LIFETIME + LEEWAY])
def test_a_token_is_accepted_for_its_life_and_the_leeway(skew: float) -> None:
    check(token(), now=NOW + skew)


@pytest.mark.parametrize(
    ("skew", "sentence"),
    [
        (TOKEN_LIFETIME + LEEWAY + 1.0, "the token expired 31 s ago: check the clocks"),
        (-LEEWAY - 1.0, "31 s in the future: check the clocks"),
    ],
)
def test_outside_of_it_the_clocks_are_blamed(skew: float, sentence: str) -> None:
    with pytest.raises(InvalidTokenError, match=sentence):
        check(token(), now=NOW + skew)


def test_an_expired_leaf_signs_nothing() -> None:
    old = leaf(now=NOW - 2 * DAY)
    with pytest.raises(InvalidTokenError, match="the leaf certificate expired"):
        check(token(old))


def test_another_pods_token_is_refused() -> None:
    with pytest.raises(InvalidTokenError, match="for pod 'pod-1', not for this pod, 'pod-2'"):
        check(token(), pod="pod-2")


def test_another_scope_is_told_apart() -> None:
    with pytest.raises(InsufficientScopeError, match="this needs the scope 'config'"):
        check(token(), scope=Scope.CONFIG)


def test_an_unknown_root_is_refused() -> None:
    stranger = leaf(root=bytes(32))
    with pytest.raises(InvalidTokenError, match="signed by none of the known roots"):
        check(token(stranger))


def test_a_leaf_cannot_be_swapped_for_an_own_key() -> None:
    own = Leaf(private_key=bytes(32), certificate=leaf().certificate, expires=NOW + DAY)
    with pytest.raises(InvalidTokenError, match="does not match its leaf certificate"):
        check(token(own))


def test_an_access_token_is_no_leaf_certificate() -> None:
    inner = token()
    outer = Leaf(private_key=LEAF_KEY, certificate=inner, expires=NOW + DAY)
    with pytest.raises(InvalidTokenError):
        check(token(outer))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    key = "" if algorithm == "none" else "a secret that is long enough for it"
    forged = jwt.encode(
        {"aud": POD, "scope": "panes", "iat": int(NOW), "exp": int(NOW) + 60},
        key,
        algorithm=algorithm,
        headers={"crt": leaf().certificate},
    )
    with pytest.raises(InvalidTokenError):
        check(forged)


def test_a_certificate_with_a_broken_key_is_refused() -> None:
    root = Ed25519PrivateKey.from_private_bytes(ROOT)
    claims = {"leaf": "AAAA", "iat": int(NOW), "exp": int(NOW + DAY)}
    broken = Leaf(
        private_key=LEAF_KEY,
        certificate=jwt.encode(claims, root, algorithm="EdDSA"),
        expires=NOW + DAY,
    )
    with pytest.raises(InvalidTokenError, match="a public key has 32 bytes, this one 3"):
        check(token(broken))


@given(st.text(max_size=200))
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        check(text)


@given(st.integers(0, 2000), st.characters(codec="ascii"))
def test_a_changed_token_is_refused_or_the_same(position: int, character: str) -> None:
    good = token()
    position %= len(good)
    changed = good[:position] + character + good[position + 1 :]
    try:
        check(changed)
    except InvalidTokenError:
        return
    # Base64 ends in bits that say nothing; everything else is signed.
    assert changed == good or good[position + 1 : position + 2] in {".", ""}


def test_long_tokens_are_not_even_parsed() -> None:
    with pytest.raises(InvalidTokenError, match="more than 4096 bytes"):
        check("x" * 5000)


def test_root_keys_are_read_from_the_environment() -> None:
    text = f" {public_root_key(ROOT)}, {public_root_key(OTHER_ROOT)},"
    assert parse_root_keys(text) == [public_root_key(ROOT), public_root_key(OTHER_ROOT)]
    with pytest.raises(ValueError, match="not URL-safe base64"):
        parse_root_keys("not a key!")
    with pytest.raises(ValueError, match="32 bytes"):
        parse_root_keys("AAAA")
