"""nginx twice: as the model that answers at once, and as the plain proxy to compare with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.dataplane.machine import children, pinned
from bench.dataplane.process import LOOPBACK, running, wait_for

IDLE_UPSTREAMS: Final = 256
"""Connections to the model that the proxy keeps: more than any load here opens."""

# One worker: each role has one processor. Nothing is written anywhere, and connections last.
_COMMON: Final = """
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_buffer_size 1m;
    client_max_body_size 16m;
    client_body_temp_path {folder}/{name}-body;
    proxy_temp_path {folder}/{name}-proxy;
    fastcgi_temp_path {folder}/{name}-fastcgi;
    uwsgi_temp_path {folder}/{name}-uwsgi;
    scgi_temp_path {folder}/{name}-scgi;
    {block}
}}
"""
_MODEL: Final = """
    server {{
        listen {address}:{port} backlog=4096;
        location / {{ return 200 '{body}'; }}
    }}
"""
_PROXY: Final = """
    upstream model {{
        server {address}:{upstream};
        keepalive {idle};
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address}:{port} backlog=4096;
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"""


@contextmanager
def running_model(
    program: Path, folder: Path, *, cpu: int, port: int, body: bytes
) -> Iterator[list[int]]:
    """Run a model that reads each request and answers it at once; yield its processes."""
    block = _MODEL.format(address=LOOPBACK, port=port, body=body.decode())
    with _running(program, folder, "model", block, cpu=cpu, port=port) as pids:
        yield pids


@contextmanager
def running_proxy(
    program: Path, folder: Path, *, cpu: int, port: int, upstream: int
) -> Iterator[list[int]]:
    """Run a proxy that does nothing but forward; yield its processes."""
    block = _PROXY.format(address=LOOPBACK, port=port, upstream=upstream, idle=IDLE_UPSTREAMS)
    with _running(program, folder, "nginx", block, cpu=cpu, port=port) as pids:
        yield pids


@contextmanager
def _running(
    program: Path, folder: Path, name: str, block: str, *, cpu: int, port: int
) -> Iterator[list[int]]:
    configuration = folder / f"{name}.conf"
    configuration.write_text(_COMMON.format(folder=folder, name=name, block=block))
    command = pinned(cpu, program, "-e", "stderr", "-p", folder, "-c", configuration)
    with running(name, command, port=port, log=folder / f"{name}.log") as process:
        # It listens before it has a worker.
        wait_for(lambda: bool(children(process.pid)), f"the worker of {name}")
        yield [process.pid, *children(process.pid).values()]
