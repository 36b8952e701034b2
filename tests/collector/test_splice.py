"""What clients and model see of the splice: nothing."""

import asyncio
import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelmonitor.collector.control import control_pair
from modelmonitor.collector.environment import CapturedPort
from modelmonitor.collector.sockets import has_ipv6, listening_socket
from modelmonitor.collector.splice.worker import Worker
from tests.collector.harness import LOOPBACK, Collector, eventually, running_collector
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


def test_thousands_of_idle_connections_take_little_memory(tmp_path: Path) -> None:
    count = 2000
    with (
        many_descriptors(count + 500),
        socket.create_server((LOOPBACK, 0), backlog=count + 100) as model,
        running_collector(tmp_path, model.getsockname()[1]) as collector,
        contextlib.ExitStack() as clients,
    ):
        splice = collector.children()["mm-splice"]
        before, open_before = resident(splice), descriptors(splice)
        for _ in range(count):
            client = clients.enter_context(connect(collector))
            client.sendall(b"GET / HTTP/1.1\r\n")
        eventually(
            lambda: descriptors(splice) >= open_before + 2 * count, "all are joined with the model"
        )
        each = (resident(splice) - before) / count
        print(f"{each / 1024:.1f} KiB of the splice for an idle connection")
        assert each < 16 * 1024


def test_small_writes_are_not_held_back_on_either_side(tmp_path: Path) -> None:
    """As they would be for 40 ms and more without TCP_NODELAY."""

    async def nodelay() -> set[int]:
        loop = asyncio.get_running_loop()
        with socket.create_server((LOOPBACK, 0)) as model:
            captured = listening_socket(0)
            port, upstream = captured.getsockname()[1], model.getsockname()[1]
            known = set(connected_sockets())
            named = CapturedPort(name="http", listen=port, upstream=upstream)
            control, supervisor = control_pair()
            worker = Worker(loop, [(named, captured)], control)
            running = loop.create_task(worker.run())
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(b"x")
            model.setblocking(False)
            accepted, _ = await loop.sock_accept(model)
            assert await loop.sock_recv(accepted, 1) == b"x"
            ours = {writer.get_extra_info("sockname"), accepted.getsockname()}
            spliced = [
                each for each in connected_sockets() if each not in known and each[0] not in ours
            ]
            assert len(spliced) == 2
            accepted.close()
            writer.close()
            supervisor.close()
            await running
            captured.close()
            control.close()
            return {without_delay for _, without_delay in spliced}

    assert uvloop.run(nodelay()) == {1}


def test_a_model_that_listens_on_ipv6_only_is_reached(tmp_path: Path) -> None:
    """Where there is no IPv6, its port is closed."""
    if not has_ipv6():
        with running_collector(tmp_path) as collector, connect(collector) as client:
            assert_reset(client)
        return
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as model,
        running_collector(tmp_path, model.getsockname()[1]) as collector,
        connect(collector) as client,
    ):
        client.sendall(b"hello")
        accepted, _ = model.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_a_websocket_passes_through(shared_collector: Collector, shared_model: RawModel) -> None:
    """RFC 6455: frames in both directions at any time, after the upgrade."""

    def chat(connection: socket.socket) -> None:
        read_until(connection, b"\r\n\r\n")
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            b"\x81\x05hello"
        )
        for _ in range(3):
            frame = read_until(connection, b"!")
            connection.sendall(b"\x81" + bytes([len(frame)]) + frame)
        assert read_all(connection) == b"\x88\x80mask"
        connection.sendall(b"\x88\x00")

    shared_model.handler = chat
    with connect(shared_collector) as client:
        client.sendall(
            b"GET /chat HTTP/1.1\r\nHost: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert read_until(client, b"hello").endswith(b"\r\n\r\n\x81\x05hello")
        for number in range(3):
            said = b"\x81\x83mask%d!" % number
            client.sendall(said)
            assert read_until(client, b"!") == b"\x81" + bytes([len(said)]) + said
        client.sendall(b"\x88\x80mask")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"\x88\x00"


def test_each_side_may_end_first_and_still_hear_the_other(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    def end_then_listen(connection: socket.socket) -> None:
        connection.sendall(b"that is all from me")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    heard: list[bytes] = []
    shared_model.handler = end_then_listen
    with connect(shared_collector) as client:
        assert read_all(client) == b"that is all from me"
        client.sendall(b"but not from me")
    eventually(lambda: heard == [b"but not from me"], "the model hears what came after its end")


def test_the_port_is_open_for_ipv6_where_the_machine_has_it(
    shared_collector: Collector, shared_model: RawModel
) -> None:
    shared_model.handler = http_echo
    if has_ipv6():
        socket.create_connection(("::1", shared_collector.port), timeout=5.0).close()
    else:
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("::1", shared_collector.port), timeout=5.0)


def assert_reset(client: socket.socket) -> None:
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def connected_sockets() -> list[tuple[object, int]]:
    """Return the address of each connected TCP socket of this process, and its TCP_NODELAY."""
    found: list[tuple[object, int]] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            each = socket.socket(fileno=os.dup(int(descriptor.name)))
        except OSError:
            continue
        with each, contextlib.suppress(OSError):
            each.getpeername()
            if each.family != socket.AF_UNIX:
                without_delay = each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                found.append((each.getsockname(), without_delay))
    return found


@contextlib.contextmanager
def many_descriptors(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")
