"""Closed panes, until they are too old or too many; reading never removes one.

They are files in the pod's emptyDir, so that they outlive the observer and cost no memory. Where
that directory cannot be written, they are kept in memory, and an observer that dies takes them
along.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from modelmonitor.core.wire.pane import Pane, encode

logger = logging.getLogger(__name__)

RETENTION_SECONDS: Final = 7200.0
RETENTION_BYTES: Final = 8 * 1024 * 1024
MAX_REPLY: Final = 2 * 1024 * 1024
"""Bytes of panes in one reply; a larger pane comes alone."""

_NAME: Final = re.compile(r"(\d{15})-([0-9a-f]{1,32})-(\d{8})\.pane")


class Cursor(NamedTuple):
    """Names a pane: the reader has it and all before it."""

    boot_id: str
    sequence: int


class Storage(Protocol):
    """Where encoded panes are kept, by name."""

    def write(self, name: str, content: bytes) -> None:
        """Keep a pane; raises OSError."""

    def read(self, name: str) -> bytes:
        """Return a pane; raises OSError."""

    def delete(self, name: str) -> None:
        """Forget a pane, if it is there."""

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every pane by name."""


class DirectoryStorage:
    """Files in a directory; a file is there completely or not at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, name: str, content: bytes) -> None:
        """Keep a pane."""
        partial = self._directory / f"{name}.partial"
        partial.write_bytes(content)
        partial.replace(self._directory / name)

    def read(self, name: str) -> bytes:
        """Return a pane."""
        return (self._directory / name).read_bytes()

    def delete(self, name: str) -> None:
        """Forget a pane."""
        (self._directory / name).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every pane by name."""
        return {
            path.name: path.stat().st_size
            for path in self._directory.iterdir()
            if path.suffix == ".pane"
        }


class MemoryStorage:
    """A dictionary."""

    def __init__(self) -> None:
        self._panes: dict[str, bytes] = {}

    def write(self, name: str, content: bytes) -> None:
        """Keep a pane."""
        self._panes[name] = content

    def read(self, name: str) -> bytes:
        """Return a pane."""
        return self._panes[name]

    def delete(self, name: str) -> None:
        """Forget a pane."""
        self._panes.pop(name, None)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every pane by name."""
        return {name: len(content) for name, content in self._panes.items()}


def storage_in(directory: Path) -> Storage:
    """Return storage in this directory, or in memory if it cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        storage = DirectoryStorage(directory)
        storage.write("probe", b"")
        storage.delete("probe")
    except OSError as error:
        logger.warning("panes are kept in memory: cannot write to %s (%s)", directory, error)
        return MemoryStorage()
    return storage


@dataclass(kw_only=True)
class _Kept:
    name: str
    cursor: Cursor
    end: float
    size: int
    read: bool = False


class Shelf:
    """The closed panes in the order of their ends."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept = sorted(
            (
                _Kept(
                    name=name,
                    cursor=Cursor(match[2], int(match[3])),
                    end=int(match[1]) / 1000.0,
                    size=size,
                )
                for name, size in storage.sizes().items()
                if (match := _NAME.fullmatch(name))
            ),
            key=lambda kept: kept.name,
        )
        self.lost = 0
        """Panes that were dropped before anybody read them."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of all kept panes."""
        return sum(kept.size for kept in self._kept)

    def add(self, pane: Pane) -> None:
        """Keep a pane that was closed, and drop what is too old or too much."""
        content = encode(pane)
        kept = _Kept(
            name=f"{int(pane.end * 1000):015d}-{pane.bootID}-{pane.seq:08d}.pane",
            cursor=Cursor(pane.bootID, pane.seq),
            end=pane.end,
            size=len(content),
        )
        try:
            self._storage.write(kept.name, content)
        except OSError as error:
            logger.warning("a pane is lost: cannot write it (%s)", error)
            self.lost += 1
            return
        self._kept.append(kept)
        self._drop(now=pane.end)

    def acknowledge(self, cursor: Cursor) -> None:
        """Note that a reader has this pane and all before it."""
        for kept in self._kept[: self._position(cursor)]:
            kept.read = True

    def after(self, cursor: Cursor | None) -> list[bytes]:
        """Return encoded panes after the cursor, oldest first, up to `MAX_REPLY` bytes.

        Without a cursor, or with one whose boot is not known here, everything is returned.
        """
        panes: list[bytes] = []
        size = 0
        for kept in self._kept[self._position(cursor) :]:
            if panes and size + kept.size > MAX_REPLY:
                break
            try:
                panes.append(self._storage.read(kept.name))
            except OSError as error:
                logger.warning("a pane is lost: cannot read it (%s)", error)
                continue
            size += kept.size
        return panes

    def has_after(self, cursor: Cursor | None) -> bool:
        """Return whether there is a pane after the cursor."""
        return self._position(cursor) < len(self._kept)

    def _position(self, cursor: Cursor | None) -> int:
        """Return the index of the first pane after the cursor."""
        if cursor is None:
            return 0
        known = [
            index for index, kept in enumerate(self._kept) if kept.cursor.boot_id == cursor.boot_id
        ]
        if not known:
            return 0
        passed = [index for index in known if self._kept[index].cursor.sequence <= cursor.sequence]
        return max(passed) + 1 if passed else min(known)

    def _drop(self, *, now: float) -> None:
        total = self.size
        while self._kept and (
            total > RETENTION_BYTES or self._kept[0].end < now - RETENTION_SECONDS
        ):
            oldest = self._kept.pop(0)
            total -= oldest.size
            self.lost += 0 if oldest.read else 1
            self._storage.delete(oldest.name)
