"""Triton's client as a process: asks through the collector, and once more past it."""

import json
from pathlib import Path
from typing import Any

from tests.interop.line import Line
from tests.interop.servers import PROGRAMS, run_program


def ask(line: Line, directory: Path, how: str, *outputs: str) -> dict[str, list[Any]]:
    """Return the outputs by name; both answers are the same, and so are the bytes on both sides."""
    collected, direct = (
        json.loads(
            run_program(
                "triton", directory, str(PROGRAMS / "triton_client.py"), how, str(port), *outputs
            )
        )
        for port in (line.port, line.server)
    )
    assert collected == direct
    line.check_bytes()
    return dict(collected)
