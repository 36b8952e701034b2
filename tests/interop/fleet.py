"""The servers that more than one module asks: MLServer and the KServe SDK's server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.collector.harness import LOOPBACK, free_port
from tests.interop.servers import PROGRAMS, answers, run_program, running_server


@dataclass(frozen=True)
class Ports:
    """Where a server listens."""

    http: int
    grpc: int
    metrics: int


@contextmanager
def running_mlserver(home: Path) -> Iterator[Ports]:
    """Run MLServer with both models; that of flowers answers streams too."""
    ports = Ports(free_port(), free_port(), free_port())
    run_program("mlserver", home, str(PROGRAMS / "save.py"))
    write(
        home / "settings.json",
        {
            "host": LOOPBACK,
            "http_port": ports.http,
            "grpc_port": ports.grpc,
            "metrics_port": ports.metrics,
            "parallel_workers": 0,
        },
    )
    runtimes = {
        "iris": "tests.interop.programs.streaming.StreamedModel",
        "orders": "mlserver_sklearn.SKLearnModel",
    }
    for name, runtime in runtimes.items():
        (home / name).mkdir()
        write(
            home / name / "model-settings.json",
            {
                "name": name,
                "implementation": runtime,
                "parameters": {"uri": f"../{name}.joblib", "version": "v1"},
            },
        )
    with running_server(
        "mlserver",
        home,
        ["mlserver", "start", "."],
        ready=lambda: answers(ports.http, "/v2/health/ready"),
    ):
        yield ports


@contextmanager
def running_kserve(home: Path) -> Iterator[Ports]:
    """Run the KServe SDK's server with both models; it shows its metrics where it serves."""
    http = free_port()
    ports = Ports(http, free_port(), http)
    command = ["python", str(PROGRAMS / "kserve_server.py")]
    listen = ["--http_port", str(ports.http), "--grpc_port", str(ports.grpc)]
    with running_server(
        "kserve",
        home,
        command + listen,
        ready=lambda: answers(ports.http, "/v2/models/orders/ready"),
    ):
        yield ports


def write(path: Path, settings: dict[str, Any]) -> None:
    """Write settings as JSON."""
    path.write_text(json.dumps(settings))
