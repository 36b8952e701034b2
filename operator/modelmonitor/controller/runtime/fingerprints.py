"""What was last seen of an object, so that echoes of our own status writes wake nobody."""

from collections.abc import Hashable


class Fingerprints:
    """The last fingerprint of each key."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, int] = {}

    def changed(self, key: Hashable, fingerprint: Hashable) -> bool:
        """Return whether the fingerprint differs from the last one of this key, and keep it."""
        value = hash(fingerprint)
        if self._seen.get(key) == value:
            return False
        self._seen[key] = value
        return True

    def forget(self, key: Hashable) -> None:
        """Let the next fingerprint of this key be a change."""
        self._seen.pop(key, None)
