"""Which replicas are watched on their own: all of a few, in turn of many."""

import hashlib
from collections.abc import Collection
from typing import Final

TURN: Final = 3600.0
"""Seconds after which other replicas get their turn, where there are more than can be watched."""


def chosen(
    replicas: Collection[str], suspicious: Collection[str], start: float, most: int
) -> list[str]:
    """Return the replicas to watch in a tick.

    The choice depends on nothing that the tick's rows say, so that evidence stays evidence.

    Parameters
    ----------
    replicas
        Pod UIDs of those that sent rows.
    suspicious
        Those that have notable evidence from before; they keep their turn.
    start
        Of the tick, seconds since the epoch.
    most
        How many can be watched.
    """
    if len(replicas) <= most:
        return sorted(replicas)
    turn = int(start // TURN)
    ranked = sorted(replicas, key=lambda uid: (uid not in suspicious, _rank(uid, turn), uid))
    return sorted(ranked[:most])


def short_name(replica: str) -> str:
    """Return a pod UID for a message: its beginning, which tells pods apart in practice."""
    return "".join(sign for sign in replica[:8] if sign.isalnum() or sign == "-") or "unnamed"


def _rank(uid: str, turn: int) -> bytes:
    return hashlib.sha256(f"{turn}/{uid}".encode()).digest()
