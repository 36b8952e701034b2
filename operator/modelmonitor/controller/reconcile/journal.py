"""The journal of a monitor: what came in for each judgement, so that judging again gives the same.

Before a tick is judged, an *entry* is stored: the panes that arrived since the entry before, and
the facts of that moment. A *checkpoint* holds what judging has led to up to some entry. After a
restart the last checkpoint is loaded, the entries after it are judged again, and the older ones
within the look-back only fill windows.

Names begin with the term of the leader that wrote, so that a leader of the past, still writing,
sorts before its successor's and is left out:

    monitors/<uid>/entries/<term>-<number>-<start>.msgpack
    monitors/<uid>/checkpoints/<term>-<number>.msgpack
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from modelmonitor.controller.gateways.errors import TemporaryError
from modelmonitor.controller.gateways.store import ObjectStore
from modelmonitor.core.wire.pane import Pane

logger = logging.getLogger(__name__)

KEPT_CHECKPOINTS: Final = 2
"""The last one, and the one before in case the last cannot be read."""
UNSAVED_LIMIT: Final = 64
"""Entries that wait for a store that does not answer; beyond that the oldest are lost."""

F = TypeVar("F")
C = TypeVar("C")


class Position(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """The place of an entry in the journal."""

    term: int
    number: int

    def __str__(self) -> str:
        """Return the position as it stands in names, which sort like positions."""
        return f"{self.term:010d}-{self.number:012d}"


START: Final = Position(term=0, number=0)


class Entry(msgspec.Struct, Generic[F], frozen=True, kw_only=True, omit_defaults=True):
    """What came in for one judgement."""

    schema: int = 1
    panes: list[Pane] = []
    facts: F | None = None
    """The facts of the tick that was judged then; None where panes were only kept safe."""


class Checkpoint(msgspec.Struct, Generic[C], frozen=True, kw_only=True, omit_defaults=True):
    """What judging has led to."""

    schema: int = 1
    position: Position
    """The last entry that is part of it."""
    content: C


@dataclass(frozen=True, slots=True)
class Replay(Generic[F, C]):
    """What a journal held when it was opened."""

    content: C | None
    """Of the last checkpoint, None without one."""
    filling: Sequence[Entry[F]]
    """Entries that are part of the checkpoint: their panes fill windows."""
    judging: Sequence[Entry[F]]
    """Entries after it: to be judged again, in this order."""


class Journal(Generic[F, C]):
    """The journal of one monitor."""

    def __init__(
        self,
        store: ObjectStore,
        uid: str,
        term: int,
        entry_type: type[Entry[F]],
        checkpoint_type: type[Checkpoint[C]],
    ) -> None:
        self._store = store
        self._root = f"monitors/{uid}"
        self._position = Position(term=term, number=0)
        self._entry = msgspec.msgpack.Decoder(entry_type)
        self._checkpoint = msgspec.msgpack.Decoder(checkpoint_type)
        self._unsaved: list[tuple[str, bytes]] = []

    async def open(self, since: float) -> Replay[F, C]:
        """Return the last checkpoint and the entries, those with ticks before `since` left out.

        What is appended afterwards comes after all that the same leader stored before.

        Raises
        ------
        TemporaryError
            If the store does not answer.
        """
        checkpoint = await self._last_checkpoint()
        done = START if checkpoint is None else checkpoint.position
        filling: list[Entry[F]] = []
        judging: list[Entry[F]] = []
        for name in await self._store.list(f"{self._root}/entries"):
            position, start = _parse_name(name)
            self._come_after(position)
            if position is None or (start < since and position <= done):
                continue
            entry = await self._read_entry(name)
            if entry is not None:
                (filling if position <= done else judging).append(entry)
        self._come_after(done)
        content = None if checkpoint is None else checkpoint.content
        return Replay(content, filling, judging)

    async def append(self, entry: Entry[F], start: float) -> None:
        """Store an entry; one that the store does not take is tried again with the next.

        Parameters
        ----------
        entry
            What came in.
        start
            Start of the newest tick in it, seconds since the epoch; decides how long it is kept.
        """
        self._position = msgspec.structs.replace(self._position, number=self._position.number + 1)
        name = f"{self._root}/entries/{self._position}-{max(0, int(start * 1000)):015d}.msgpack"
        self._unsaved.append((name, msgspec.msgpack.encode(entry)))
        del self._unsaved[:-UNSAVED_LIMIT]
        try:
            while self._unsaved:
                await self._store.put(*self._unsaved[0])
                del self._unsaved[0]
        except TemporaryError as error:
            logger.warning("%s; %d entries wait for the store", error, len(self._unsaved))

    async def save(self, content: C, since: float) -> None:
        """Store a checkpoint, and delete what no longer is needed.

        Parameters
        ----------
        content
            What judging has led to, up to the last appended entry.
        since
            Entries with ticks before this time are deleted, seconds since the epoch.
        """
        checkpoint = Checkpoint(position=self._position, content=content)
        folder = f"{self._root}/checkpoints"
        name = f"{folder}/{self._position}.msgpack"
        await self._store.put(name, msgspec.msgpack.encode(checkpoint))
        older = [other for other in await self._store.list(folder) if other < name]
        await self._store.delete(older[: -(KEPT_CHECKPOINTS - 1)])
        entries = await self._store.list(f"{self._root}/entries")
        await self._store.delete([entry for entry in entries if _parse_name(entry)[1] < since])

    def _come_after(self, position: Position | None) -> None:
        if position is not None and position.term == self._position.term:
            self._position = max(self._position, position)

    async def _last_checkpoint(self) -> Checkpoint[C] | None:
        for name in reversed(await self._store.list(f"{self._root}/checkpoints")):
            payload = await self._store.get(name)
            if payload is None:
                continue
            try:
                return self._checkpoint.decode(payload)
            except msgspec.DecodeError as error:
                logger.warning("checkpoint %s cannot be read and is left out: %s", name, error)
        return None

    async def _read_entry(self, name: str) -> Entry[F] | None:
        payload = await self._store.get(name)
        if payload is None:
            return None
        try:
            return self._entry.decode(payload)
        except msgspec.DecodeError as error:
            logger.warning("entry %s cannot be read and is left out: %s", name, error)
            return None


async def stored_journals(store: ObjectStore) -> Sequence[str]:
    """Return the UIDs of the monitors of which something is stored.

    Raises
    ------
    TemporaryError
        If the store does not answer.
    """
    return await store.folders("monitors")


async def delete_journal(store: ObjectStore, uid: str) -> None:
    """Delete all that is kept of a monitor that is gone."""
    await store.delete(await store.list(f"monitors/{uid}"))


def _parse_name(name: str) -> tuple[Position | None, float]:
    """Return the position and the tick's start that an entry's name carries."""
    match name.rsplit("/", 1)[-1].removesuffix(".msgpack").split("-"):
        case [term, number, start] if term.isdigit() and number.isdigit() and start.isdigit():
            return Position(term=int(term), number=int(number)), int(start) / 1000
        case _:
            return None, 0.0
