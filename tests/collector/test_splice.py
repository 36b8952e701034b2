"""What clients and model see of the splice: nothing."""

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelmonitor.collector.sockets import has_ipv6
from tests.collector.harness import LOOPBACK, Collector, eventually
from tests.collector.raw_model import RawModel, http_echo, read_all, read_until

chunked_bytes = st.lists(st.binary(min_size=1, max_size=5000), max_size=8)


def connect(collector: Collector) -> socket.socket:
    return socket.create_connection((LOOPBACK, collector.port), timeout=20.0)


@given(sent=chunked_bytes, answered=chunked_bytes)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_bytes_arrive_unchanged_both_ways_and_an_end_is_an_end(
    shared_collector: Collector,
    shared_model: RawModel,
    sent: Sequence[bytes],
    answered: Sequence[bytes],
) -> None:
    received: list[bytes] = []

    def read_then_answer(connection: socket.socket) -> None:
        received.append(read_all(connection))
        for chunk in answered:
            connection.sendall(chunk)

    shared_model.handler = read_then_answer
    with connect(shared_collector) as client:
        for chunk in sent:
            client.sendall(chunk)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"".join(answered)
    assert received == [b"".join(sent)]


def test_a_model_that_speaks_first_is_heard(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    shared_model.handler = lambda connection: connection.sendall(b"220 ready\r\n")
    with connect(shared_collector) as client:
        assert read_all(client) == b"220 ready\r\n"


def test_pipelined_requests_are_answered_in_order(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    shared_model.handler = http_echo
    bodies = [b"first", b"", b"third" * 100]
    with connect(shared_collector) as client:
        client.sendall(
            b"".join(
                b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                for body in bodies
            )
        )
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200")[1:]] == bodies


def test_continue_and_upgrade_pass_through(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    def upgrade(connection: socket.socket) -> None:
        read_until(connection, b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert read_until(connection, b"!") == b"body!"
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        )
        connection.sendall(read_until(connection, b"\n").upper())

    shared_model.handler = upgrade
    with connect(shared_collector) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: m\r\nExpect: 100-continue\r\n\r\n")
        assert b"100 Continue" in read_until(client, b"\r\n\r\n")
        client.sendall(b"body!")
        assert b"101 Switching" in read_until(client, b"\r\n\r\n")
        client.sendall(b"\x00\xff opaque\n")
        assert read_all(client) == b"\x00\xff OPAQUE\n"


def test_big_bodies_pass_a_slow_reader_without_being_stored(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    size = 48 * 1024 * 1024
    may_read = threading.Event()

    def slow(connection: socket.socket) -> None:
        early = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
        may_read.wait(20.0)
        rest = early + read_all(connection)
        connection.sendall(b"%d" % len(rest))

    shared_model.handler = slow
    splice = shared_collector.children()["mm-splice"]
    with connect(shared_collector) as client:

        def send() -> None:
            client.sendall(b"POST / HTTP/1.1\r\nHost: m\r\n\r\n")
            client.sendall(bytes(size))
            client.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        quiet_since = time.monotonic()
        last = resident(splice)

        def settled() -> bool:
            nonlocal quiet_since, last
            now = resident(splice)
            if now != last:
                quiet_since, last = time.monotonic(), now
            return time.monotonic() - quiet_since > 0.5

        eventually(settled, "the splice's memory settles")
        held = resident(splice)
        may_read.set()
        assert read_all(client) == b"%d" % size
        sending.join()
    # Its own 20 MiB, two write buffers and what the kernel did not count; never the 48 MiB body.
    assert held < 45 * 1024 * 1024


def test_an_abandoned_request_is_reset_on_the_other_side_too(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    def vanish(connection: socket.socket) -> None:
        read_until(connection, b"\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    shared_model.handler = vanish
    with connect(shared_collector) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_hundreds_of_idle_connections_do_not_disturb(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    shared_model.handler = http_echo
    idle = [connect(shared_collector) for _ in range(300)]
    try:
        for client in (idle[0], idle[150], idle[299]):
            client.sendall(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n\r\nhi")
            assert read_until(client, b"hi").endswith(b"\r\n\r\nhi")
    finally:
        for client in idle:
            client.close()


def test_the_port_is_open_for_ipv6_where_the_machine_has_it(shared_collector: Collector) -> None:
    if has_ipv6():
        socket.create_connection(("::1", shared_collector.port), timeout=5.0).close()
    else:
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("::1", shared_collector.port), timeout=5.0)


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")
