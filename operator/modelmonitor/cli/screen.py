"""Where commands write."""

import sys
from typing import Final

from rich.console import Console

PIPED_WIDTH: Final = 200
"""Columns where standard output is no terminal: what reads a pipe does not want wrapped lines."""


def screen() -> Console:
    """Return standard output: a terminal's own width and colours, or wide and plain in a pipe."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(highlight=False, width=width)
