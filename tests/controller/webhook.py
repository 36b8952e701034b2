"""Injector processes on a real API server, each a webhook of its own, so that a pod meets all."""

import base64
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from modelmonitor.core.settings import CertificatesMode
from tests.cluster.mmcluster.pki import SERVER, Pki
from tests.controller.room import Body, Room
from tests.controller.world import IMAGE
from tests.support.waiting import wait_until

REPLICAS = ("injector-0", "injector-1")
LABELS = {"app.kubernetes.io/name": "modelmonitor", "app.kubernetes.io/component": "injector"}


@contextmanager
def injecting(room: Room) -> Iterator[None]:
    """Run two injectors for the pods of a room; returns when both are ready."""
    pki = Pki(room.folder / "pki")
    pki.authority("ca")
    pki.issue("injector", "/CN=injector", usage=SERVER, san="IP:127.0.0.1")
    ports = dict(zip(REPLICAS, _free_ports(len(REPLICAS)), strict=True))
    with ExitStack() as stack:
        for name, port in ports.items():
            stack.enter_context(_process(room, pki, name, port))
            room.ready_pod(name, room.operator, LABELS)
        wait_until("the injectors are ready", lambda: all(map(_is_ready, ports.values())), 60)
        room.kubectl.apply(_configuration(room, pki, ports))
        stack.callback(
            room.kubectl, "delete", "mutatingwebhookconfiguration", room.name, "--wait=true"
        )
        yield


@contextmanager
def _process(room: Room, pki: Pki, name: str, port: int) -> Iterator[None]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(room.kubectl.kubeconfig),
        "PYTHONPATH": f"{room.root / 'operator'}:{room.root}",
        "MM_NAMESPACE": room.operator,
        "MM_NAMESPACES": room.name,
        "MM_POD_NAME": name,
        "MM_COLLECTOR_IMAGE": IMAGE,
        "MM_CERTIFICATES_MODE": CertificatesMode.CERT_MANAGER.value,
        "TEST_TLS": str(pki.folder / "injector"),
        "TEST_PORT": str(port),
    }
    with (room.folder / name).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.controller.injector_process"],
            env=environment,
            stderr=log,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(20)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.2:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _configuration(room: Room, pki: Pki, ports: dict[str, int]) -> Body:
    authority = base64.b64encode(pki.certificate("ca").read_bytes()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": room.name},
        "webhooks": [
            {
                "name": f"{name}.modelmonitor.dev",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": f"https://127.0.0.1:{port}/mutate", "caBundle": authority},
                "failurePolicy": "Ignore",
                "timeoutSeconds": 10,
                "sideEffects": "None",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": room.name}},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
            }
            for name, port in ports.items()
        ],
    }


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
