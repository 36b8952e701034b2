"""What processes cost, as the kernel tells it."""

import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.dataplane import machine
from bench.report import UnsoundRunError


def test_processor_time_counts_all_threads_and_only_grows() -> None:
    before = machine.cpu_seconds([os.getpid()])
    spun = time.process_time()
    while time.process_time() - spun < 0.1:
        pass
    assert machine.cpu_seconds([os.getpid()]) - before >= 0.08


def test_a_command_runs_on_its_processor_only() -> None:
    cpu = min(os.sched_getaffinity(0))
    program = "import os; print(os.sched_getaffinity(0))"
    printed = subprocess.check_output(machine.pinned(cpu, sys.executable, "-c", program), text=True)
    assert printed.strip() == str({cpu})


def test_children_are_found_by_name() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"here\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"here\n"
        assert machine.children(os.getpid()).get("cat") == child.pid
        child.stdin.close()


def test_one_processor_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {machine.CLIENT_CPU})
    with pytest.raises(UnsoundRunError, match="processors 0 and 1 are needed"):
        machine.require_processors()


def test_memory_of_files_counts_in_full_however_many_others_map_them(tmp_path: Path) -> None:
    pages = 4 << 20
    file = tmp_path / "library"
    file.write_bytes(os.urandom(pages))
    mapped = f"""
import mmap, sys
with open({str(file)!r}, "rb") as file:
    held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    sum(held[::{mmap.PAGESIZE}])
    print("ready", flush=True)
    sys.stdin.read()
"""
    with (
        subprocess.Popen(
            [sys.executable, "-c", mapped], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as first,
        subprocess.Popen(
            [sys.executable, "-c", mapped], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as second,
    ):
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        one = machine.memory([first.pid])
        both = machine.memory([first.pid, second.pid])
        for process in (first, second):
            process.communicate()
    assert one.alone - one.shared_with_strangers >= pages // 2
    # The second one adds what is its own, and no page of the file again.
    assert both.alone < 2 * one.alone - pages // 2
