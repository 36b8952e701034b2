"""The machine: which processor does what, what processes cost, how quiet it is."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.report import UnsoundRunError

CLIENT_CPU: Final = 0
"""Load generator and model."""
PATH_CPU: Final = 1
"""Everything between them: what is measured is what one core gives the whole data path."""

_TICK: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = 1024
_MAPPING: Final = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+) (\S+) (\d+)")


def require_processors() -> None:
    """Check that there are two processors to pin to.

    Raises
    ------
    UnsoundRunError
        If this process may not use both.
    """
    if not {CLIENT_CPU, PATH_CPU} <= os.sched_getaffinity(0):
        raise UnsoundRunError(
            f"processors {CLIENT_CPU} and {PATH_CPU} are needed: one for the load and the model, "
            "one for what lies between them"
        )


def pinned(cpu: int, *command: str | Path | float) -> list[str]:
    """Return a command that runs on one processor only."""
    return ["taskset", "-c", str(cpu), *(str(word) for word in command)]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used so far, all threads included."""
    return sum(_cpu_seconds(pid) for pid in pids)


def _cpu_seconds(pid: int) -> float:
    # Fields are counted from behind the name, which may hold blanks (proc(5): 14 and 15).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def children(pid: int) -> dict[str, int]:
    """Return the ids of a process's children by their names; of equal names, one."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        # It may end meanwhile.
        with suppress(OSError):
            found[Path(f"/proc/{child}/comm").read_text().strip()] = int(child)
    return found


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a group of processes holds, in bytes."""

    shared_with_strangers: int
    """Proportional set size: pages shared with other processes count in part."""
    alone: int
    """The same if there were no others: pages of files count once for the group."""


def memory(pids: Iterable[int]) -> Memory:
    """Return the memory of a group of processes.

    A container shares its libraries with nobody, while on a machine where other programs run from
    the same files PSS lets those pay for a part. So pages of files are counted anew: of each
    mapped piece of a file as many as that process of the group holds that holds most of it.
    """
    proportional = anonymous = 0
    pieces: dict[tuple[str, ...], int] = defaultdict(int)
    for pid in pids:
        rollup = _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
        proportional += rollup["Pss"]
        anonymous += rollup["Pss_Anon"]
        for piece, pages in _file_pages(Path(f"/proc/{pid}/smaps").read_text()).items():
            pieces[piece] = max(pieces[piece], pages)
    return Memory(
        shared_with_strangers=proportional * _PAGE,
        alone=(anonymous + sum(pieces.values())) * _PAGE,
    )


def _kilobytes(text: str) -> dict[str, int]:
    """Return the figures of an entry of smaps."""
    words = (line.split() for line in text.splitlines())
    return {word[0].rstrip(":"): int(word[1]) for word in words if word[-1] == "kB"}


def _file_pages(smaps: str) -> dict[tuple[str, ...], int]:
    """Return the kilobytes of file pages in memory, by device, inode and offset."""
    pages: dict[tuple[str, ...], int] = {}
    piece: tuple[str, ...] = ()
    resident = 0
    for line in smaps.splitlines():
        if match := _MAPPING.match(line):
            piece = match.groups()
        elif line.startswith("Rss:"):
            resident = int(line.split()[1])
        elif line.startswith("Anonymous:") and piece[2] != "0":
            pages[piece] = pages.get(piece, 0) + resident - int(line.split()[1])
    return pages


def others_use(seconds: float) -> float:
    """Return how many processors somebody else uses while this process sleeps."""
    before = _busy()
    time.sleep(seconds)
    return (_busy() - before) / seconds


def _busy() -> float:
    """Return the seconds that all processors were busy since the start (proc(5))."""
    user, nice, system, _, _, irq, soft, steal = (
        int(word) for word in Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + irq + soft + steal) / _TICK
