"""What supervisor, splice and observer say to each other: one word a message, maybe a socket."""

import socket
from enum import StrEnum
from typing import Final

_LONGEST: Final = 64


class Word(StrEnum):
    """The messages between supervisor and its children."""

    STREAM = "stream"
    """Supervisor → child, with a socket: hand over (or read) here from now on."""
    DRAIN = "drain"
    """Supervisor → child: the container is to stop."""
    DRAINED = "drained"
    """Splice → supervisor: no request is in flight."""
    DONE = "done"
    """Observer → supervisor: the last pane was acknowledged, or nobody will ask for it."""
    ALIVE = "alive"
    """Child → supervisor, each second."""
    GONE = "gone"
    """The other end does not exist any more."""


class Control:
    """One end of the line between the supervisor and a child."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._line.fileno()

    def send(self, word: Word, passed: socket.socket | None = None) -> None:
        """Say a word; a line that is full or gone is no error, the other end is ending."""
        descriptors = [] if passed is None else [passed.fileno()]
        try:
            socket.send_fds(self._line, [word.encode()], descriptors)
        except OSError:
            return

    def receive(self) -> tuple[Word, socket.socket | None] | None:
        """Return a word and the socket that came with it; None if nothing was said."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._line, _LONGEST, 1)
        except BlockingIOError:
            return None
        except OSError:
            return Word.GONE, None
        passed = socket.socket(fileno=descriptors[0]) if descriptors else None
        return (Word(message.decode()) if message else Word.GONE), passed

    def close(self) -> None:
        """Let the other end hear that this one is gone."""
        self._line.close()


def control_pair() -> tuple[Control, Control]:
    """Return both ends of a line; messages keep their bounds."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Control(left), Control(right)
