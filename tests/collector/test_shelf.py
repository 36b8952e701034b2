"""Closed panes: kept, read without being removed, dropped when too old or too many."""

from pathlib import Path

import pytest

from modelmonitor.collector.observer.shelf import (
    MAX_REPLY,
    RETENTION_BYTES,
    Cursor,
    DirectoryStorage,
    MemoryStorage,
    Shelf,
    Storage,
    storage_in,
)
from modelmonitor.core.wire.pane import ColumnCounts, Pane, decode_pane


def pane(sequence: int, *, boot: str = "ab", size: int = 0, interval: float = 60.0) -> Pane:
    columns = {"filler": ColumnCounts(sketch=bytes(size))} if size else {}
    return Pane(
        monitorUID="m",
        podUID="p",
        bootID=boot,
        seq=sequence,
        start=interval * sequence,
        end=interval * (sequence + 1),
        interval=interval,
        columns=columns,
    )


@pytest.fixture(params=["directory", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return MemoryStorage() if request.param == "memory" else DirectoryStorage(tmp_path)


def sequences(shelf: Shelf, cursor: Cursor | None) -> list[int]:
    return [decode_pane(content).seq for content in shelf.after(cursor)]


def test_reading_moves_with_the_cursor_and_removes_nothing(storage: Storage) -> None:
    shelf = Shelf(storage)
    for sequence in (1, 2, 3):
        shelf.add(pane(sequence))
    assert sequences(shelf, None) == [1, 2, 3]
    assert sequences(shelf, Cursor("ab", 1)) == [2, 3]
    assert sequences(shelf, Cursor("ab", 3)) == []
    assert not shelf.has_after(Cursor("ab", 3))
    assert sequences(shelf, Cursor("unknown", 3)) == [1, 2, 3]
    assert sequences(shelf, None) == [1, 2, 3]


def test_a_shelf_finds_what_its_predecessor_kept(storage: Storage) -> None:
    before = Shelf(storage)
    for sequence in (1, 2):
        before.add(pane(sequence, boot="0a"))
    shelf = Shelf(storage)
    shelf.add(pane(3, boot="0b"))
    assert sequences(shelf, None) == [1, 2, 3]
    assert sequences(shelf, Cursor("0a", 1)) == [2, 3]
    assert sequences(shelf, Cursor("0a", 9)) == [3]


def test_old_panes_are_dropped_and_unread_ones_counted_as_lost(storage: Storage) -> None:
    shelf = Shelf(storage)
    for sequence in range(1, 122):
        shelf.add(pane(sequence))
    shelf.acknowledge(Cursor("ab", 1))
    assert (len(shelf), shelf.lost) == (121, 0)
    for sequence in (122, 123, 124):
        shelf.add(pane(sequence))
    assert sequences(shelf, None)[0] == 4
    assert shelf.lost == 2
    assert len(storage.sizes()) == len(shelf)


def test_too_many_bytes_drop_the_oldest(storage: Storage) -> None:
    shelf = Shelf(storage)
    for sequence in range(1, 20):
        shelf.add(pane(sequence, size=1024 * 1024))
    assert sum(storage.sizes().values()) <= RETENTION_BYTES
    assert shelf.lost == 12


def test_a_reply_is_bounded_and_the_next_one_goes_on(storage: Storage) -> None:
    shelf = Shelf(storage)
    for sequence in range(1, 6):
        shelf.add(pane(sequence, size=900_000))
    first = shelf.after(None)
    assert sum(map(len, first)) <= MAX_REPLY
    assert sequences(shelf, None) == [1, 2]
    assert sequences(shelf, Cursor("ab", 2)) == [3, 4]


def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    (tmp_path / "half.pane.partial").write_bytes(b"\x81")
    (tmp_path / "odd.pane").write_bytes(b"")
    shelf = Shelf(DirectoryStorage(tmp_path))
    assert len(shelf) == 0
    assert (tmp_path / "note.txt").exists()


def test_without_a_writable_directory_panes_are_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    assert isinstance(storage_in(tmp_path / "file" / "panes"), MemoryStorage)
    assert isinstance(storage_in(tmp_path / "new" / "panes"), DirectoryStorage)


def test_a_pane_that_cannot_be_written_is_counted_as_lost(tmp_path: Path) -> None:
    directory = tmp_path / "panes"
    directory.mkdir()
    shelf = Shelf(DirectoryStorage(directory))
    directory.rmdir()
    shelf.add(pane(1))
    assert (len(shelf), shelf.lost) == (0, 1)
