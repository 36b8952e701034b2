"""What the reader sees: chapters, steps with their durations, and events as they happen."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table


def clock(seconds: float) -> str:
    """Return minutes and seconds, as `12:05`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:2d}:{rest:02d}"


@dataclass
class Timeline:
    """Prints the story; every line starts with the time since it began.

    Attributes
    ----------
    console
        Where to print.
    now
        A clock in seconds that never goes back.
    """

    console: Console = field(default_factory=lambda: Console(highlight=False))
    now: Callable[[], float] = time.monotonic
    steps: list[tuple[str, float]] = field(default_factory=list, init=False)
    """Every finished step and its seconds, in order."""

    def __post_init__(self) -> None:
        self.began = self.now()

    @property
    def elapsed(self) -> float:
        """Seconds since the story began."""
        return self.now() - self.began

    def chapter(self, title: str, *paragraphs: str) -> None:
        """Begin a chapter with the text that explains it."""
        self.console.print()
        self.console.rule(f"[bold]{escape(title)}", align="left", style="cyan")
        for paragraph in paragraphs:
            self.console.print(Padding(escape(paragraph), (0, 0, 0, 7)), width=96)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Name what is being done now, and how long it took once it is done."""
        before = self.elapsed
        self._line("…", what, style="dim")
        with self.console.status(f"{escape(what)} …"):
            yield
        seconds = self.elapsed - before
        self.steps.append((what, seconds))
        self._line("✓", f"{what} ({seconds:.1f} s)", style="green")

    def command(self, line: str) -> None:
        """Show the command that a reader would type for what happens now."""
        self._line("$", line, style="bold")

    def event(self, what: str) -> None:
        """Show something that happened in the cluster."""
        self._line("•", what, style="yellow")

    def fact(self, what: str) -> None:
        """Show something that was measured or is worth knowing."""
        self._line(" ", what)

    def failure(self, what: str) -> None:
        """Show what should have come true and did not."""
        self._line("✗", what, style="bold red")

    def text(self, block: str) -> None:
        """Show the output of a command as it is."""
        for line in block.rstrip().splitlines():
            self.console.print(f"         {line}".rstrip(), soft_wrap=True, markup=False)

    def durations(self) -> None:
        """Print the table of all steps."""
        table = Table("step", "seconds", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for what, seconds in self.steps:
            table.add_row(escape(what), f"{seconds:.1f}")
        table.add_row("[bold]all of it", f"[bold]{self.elapsed:.1f}")
        self.console.print(Padding(table, (0, 0, 0, 7)))

    def _line(self, mark: str, what: str, style: str = "") -> None:
        text = escape(what)
        self.console.print(
            f"[dim]{clock(self.elapsed)}[/] {mark} " + (f"[{style}]{text}[/]" if style else text),
            soft_wrap=True,
        )
