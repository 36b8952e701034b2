"""Triton's client as a process: asks through the collector, and once more past it."""

import json
from pathlib import Path
from typing import Any

from tests.interop.line import Line
from tests.interop.servers import PROGRAMS, run_program


def ask(
    line: Line, directory: Path, how: str, *outputs: str, model: str = "iris"
) -> dict[str, list[Any]]:
    """Return the outputs by name; both answers are the same, and so are the bytes on both sides."""
    program, ports = str(PROGRAMS / "triton_client.py"), f"{line.port},{line.server}"
    printed = run_program("triton", directory, program, how, model, ports, *outputs)
    collected, direct = (json.loads(answer) for answer in printed.splitlines())
    assert collected == direct
    line.check_bytes()
    return dict(collected)
