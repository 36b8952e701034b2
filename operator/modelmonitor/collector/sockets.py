"""Listening sockets and other socket options that need an explanation."""

import socket
import struct
from typing import Final

BACKLOG: Final = 4096
"""Connections that wait while a worker restarts; the kernel caps it at net.core.somaxconn."""

LOOPBACK: Final = "127.0.0.1"

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def listening_socket(port: int) -> socket.socket:
    """Return a non-blocking socket that listens on all addresses, IPv6 too where there is any.

    Raises
    ------
    OSError
        If the port is taken.
    """
    if has_ipv6():
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address = "::"
    else:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = "0.0.0.0"
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def loopback_socket(port: int) -> socket.socket:
    """Return a non-blocking socket that listens for processes of the same pod only.

    Raises
    ------
    OSError
        If the port is taken.
    """
    listener = socket.create_server((LOOPBACK, port), backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def has_ipv6() -> bool:
    """Return whether this network namespace can open IPv6 sockets."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def is_listening(listener: socket.socket) -> bool:
    """Return whether connections are accepted, and not refused, right now."""
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def stop_listening(listener: socket.socket) -> None:
    """Refuse connections from now on, in every process that shares the socket.

    On Linux a listening socket that is shut down keeps its port, so `listen` opens it again; only
    closing every copy of it would have the same effect, and could lose the port.
    """
    listener.shutdown(socket.SHUT_RDWR)


def reset_on_close(connected: socket.socket) -> None:
    """Let the next close send a reset instead of an orderly end."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def without_delay(connected: socket.socket) -> None:
    """Send small writes at once: the bytes have waited for their sender already."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
