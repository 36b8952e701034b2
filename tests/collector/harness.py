"""A real collector on loopback: its processes, its ports, and what its pane port says."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole, OutputLocator
from modelmonitor.core.wire.configuration import (
    CollectorConfiguration,
    ColumnConfiguration,
    ConfigurationReply,
    encode_configuration,
)
from modelmonitor.core.wire.pane import Pane, PanesReply, decode_reply
from modelmonitor.core.wire.tokens import Scope, issue_leaf, issue_token, public_root_key

ROOT_KEY = bytes(range(32))
MONITOR_UID = "monitor-1"
POD_UID = "pod-1"
LOOPBACK = "127.0.0.1"
DEADLINE = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], bool], what: str, deadline: float = DEADLINE) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        time.sleep(0.02)


async def eventually_async(
    holds: Callable[[], bool], what: str, deadline: float = DEADLINE
) -> None:
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        await asyncio.sleep(0.02)


class RefusedError(Exception):
    """An answer of the pane port that is not 200."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(f"{status}: {sentence}")
        self.status = status
        self.sentence = sentence


@dataclass(kw_only=True)
class Collector:
    """A running collector container."""

    process: subprocess.Popen[bytes]
    port: int
    upstream: int
    pane_port: int
    log: Path
    cursor: str = ""
    panes: list[Pane] = field(default_factory=list)

    def children(self) -> dict[str, int]:
        """Return the process ids of splice and observer, by name."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        found = {}
        for pid in pids.split():
            try:
                found[Path(f"/proc/{pid}/comm").read_text().strip()] = int(pid)
            except OSError:
                continue
        return found

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a child; return its process id."""
        eventually(lambda: name in self.children(), f"{name} runs")
        pid = self.children()[name]
        os.kill(pid, number)
        return pid

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        scope: Scope | None = None,
        token: str = "",
        body: bytes | None = None,
        timeout: float = 40.0,
    ) -> bytes:
        """Ask the pane port; raise RefusedError for anything but 200."""
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.pane_port}{path}", data=body, method=method
        )
        token = token or (token_for(scope) if scope else "")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(error.code, json.loads(error.read())["error"]) from error

    def configure(self, configuration: CollectorConfiguration) -> ConfigurationReply:
        """Push a configuration."""
        answer = self.ask(
            "/v1/config",
            method="PUT",
            scope=Scope.CONFIG,
            body=encode_configuration(configuration),
        )
        return msgspec.json.decode(answer, type=ConfigurationReply)

    def poll(self, wait: float = 0.0, after: str | None = None) -> PanesReply:
        """Pull once, without keeping what came."""
        cursor = self.cursor if after is None else after
        return decode_reply(self.ask(f"/v1/panes?after={cursor}&wait={wait}", scope=Scope.PANES))

    def pull(self, wait: float = 0.0) -> PanesReply:
        """Pull as the controller does: keep the panes, move the cursor."""
        reply = self.poll(wait)
        self.panes += reply.panes
        if reply.panes:
            last = reply.panes[-1]
            self.cursor = f"{last.bootID}:{last.seq}"
        return reply

    def pull_until(self, holds: Callable[[list[Pane]], bool], what: str) -> list[Pane]:
        """Pull until what came satisfies a condition; return all panes so far."""
        end = time.monotonic() + DEADLINE
        while not holds(self.panes):
            assert time.monotonic() < end, f"{what}: {summary(self.panes)}"
            self.pull(wait=1.0)
        return self.panes

    def pull_seen(self, requests: int) -> list[Pane]:
        """Pull until so many requests were seen."""
        return self.pull_until(
            lambda panes: sum(pane.requests.seen for pane in panes) >= requests,
            f"{requests} requests seen",
        )

    def accepts(self) -> bool:
        """Return whether the captured port accepts a connection."""
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


def summary(panes: list[Pane]) -> str:
    return "; ".join(
        f"{pane.bootID[:4]}:{pane.seq} [{pane.start}, {pane.end}) {pane.requests}" for pane in panes
    )


def token_for(
    scope: Scope,
    *,
    audience: str = POD_UID,
    root: bytes = ROOT_KEY,
    now: float | None = None,
    leaf_now: float | None = None,
) -> str:
    """Return an access token as the controller issues them."""
    issued = time.time() if now is None else now
    leaf = issue_leaf(
        root_private_key=root,
        leaf_private_key=bytes(32),
        now=issued if leaf_now is None else leaf_now,
        lifetime=3600.0,
    )
    return issue_token(leaf, audience=audience, scope=scope, now=issued)


def variables_for(*, port: int, upstream: int, pane_port: int, state: Path) -> dict[str, str]:
    """Return the environment that the injector gives a collector."""
    return {
        "MM_MONITOR_UID": MONITOR_UID,
        "MM_MONITOR": "models/flight-delay",
        "MM_PORTS": f"http={port}:{upstream}",
        "MM_POD_UID": POD_UID,
        "MM_POD_NAME": "flight-delay-0",
        "MM_REVISION": "6d4f9c7b8d",
        "MM_ROOT_KEYS": public_root_key(ROOT_KEY),
        "MM_PANE_PORT": str(pane_port),
        "MM_STATE_DIRECTORY": str(state),
    }


@contextmanager
def running_collector(
    directory: Path,
    upstream: int | None = None,
    more: dict[str, str] | None = None,
    program: Sequence[str] = ("-m", "modelmonitor", "collector"),
    shown: bool = True,
) -> Iterator[Collector]:
    """Run a collector; what it logged is shown when a test fails."""
    port, pane_port = free_port(), free_port()
    upstream = free_port() if upstream is None else upstream
    variables = variables_for(
        port=port, upstream=upstream, pane_port=pane_port, state=directory / "state"
    )
    log = directory / "collector.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *program],
            env={**os.environ, **variables, **(more or {})},
            stderr=stderr,
        )
        collector = Collector(
            process=process, port=port, upstream=upstream, pane_port=pane_port, log=log
        )
        try:
            eventually(lambda: _listens(pane_port), "the pane port listens")
            yield collector
        finally:
            process.kill()
            process.wait()
            if shown:
                print(log.read_text())


def _listens(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}/livez", timeout=5.0).close()
    except OSError:
        return False
    return True


def configuration_for(
    *columns: ColumnConfiguration, interval: float = 1.0, **more: object
) -> CollectorConfiguration:
    """Return a configuration of these columns."""
    return CollectorConfiguration(
        monitorUID=MONITOR_UID,
        interval=interval,
        baselineDigest="sha256:baseline" if columns else "",
        columns=list(columns),
        **more,  # type: ignore[arg-type]
    )


def numeric(name: str, *cuts: float) -> ColumnConfiguration:
    return ColumnConfiguration(
        name=name, kind=ColumnKind.NUMERIC, role=ColumnRole.INPUT, cuts=list(cuts)
    )


def categorical(name: str, *categories: str) -> ColumnConfiguration:
    return ColumnConfiguration(
        name=name, kind=ColumnKind.CATEGORICAL, role=ColumnRole.INPUT, categories=list(categories)
    )


def score(name: str, output: str, index: int, *cuts: float) -> ColumnConfiguration:
    return ColumnConfiguration(
        name=name,
        kind=ColumnKind.NUMERIC,
        role=ColumnRole.SCORE,
        locator=OutputLocator(output=output, index=index),
        cuts=list(cuts),
    )


def label(name: str, output: str, *categories: str) -> ColumnConfiguration:
    return ColumnConfiguration(
        name=name,
        kind=ColumnKind.CATEGORICAL,
        role=ColumnRole.LABEL,
        locator=OutputLocator(output=output),
        categories=list(categories),
    )
