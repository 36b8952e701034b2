"""Chat completions with the openai client, from a server that answers by rules."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.core.wire.pane import LATENCY_FIRST_TOKEN, LATENCY_RESPONSE, GenerationCounts
from tests.collector.harness import LOOPBACK, configuration_for, free_port
from tests.interop.line import Line, Seen, running_line
from tests.interop.servers import PROGRAMS, answers, run_program, running_server

pytestmark = pytest.mark.interop

RULES = """\
rules:
- name: limit
  when: {messages_contain: "too many"}
  respond: {status: 429, error: "slow down"}
- name: tool
  when: {messages_contain: "look it up"}
  respond: {tool_calls: [{name: search, arguments: {query: sepals}}]}
- name: answer
  when: {messages_contain: "sepal"}
  respond: {content: "A sepal of this flower is about five centimetres long."}
"""
CONFIGURATION = configuration_for(protocols={"http": "OpenAI"})


@pytest.fixture(scope="module")
def server(folder: Callable[[str], Path]) -> Iterator[int]:
    home, port = folder("fakellm"), free_port()
    (home / "fakellm.yaml").write_text(RULES)
    command = ["fakellm", "serve", "--host", LOOPBACK, "--port", str(port)]
    with running_server("openai", home, command, ready=lambda: answers(port, "/_fakellm/stats")):
        yield port


@pytest.fixture(scope="module")
def running(server: int, folder: Callable[[str], Path]) -> Iterator[Line]:
    with running_line(server, folder("line"), CONFIGURATION) as line:
        yield line


@pytest.fixture
def line(running: Line) -> Line:
    running.forget()
    return running


def ask(line: Line, directory: Path, how: str) -> dict[str, Any]:
    """Return what the client understood; the bytes are the same on both sides."""
    program = str(PROGRAMS / "openai_client.py")
    answer: dict[str, Any] = json.loads(
        run_program("openai", directory, program, how, str(line.port))
    )
    line.check_bytes()
    return answer


def generation(seen: Seen) -> GenerationCounts | None:
    """Return what the one pane with generations says of them."""
    found = [pane.generation for pane in seen.panes if pane.generation is not None]
    return found[0] if found else None


@pytest.mark.parametrize("how", ["chat", "tools"])
def test_tokens_and_finish_reasons_are_the_clients(line: Line, tmp_path: Path, how: str) -> None:
    answer = ask(line, tmp_path, how)
    seen = line.seen(1, decoded=1)
    assert generation(seen) == GenerationCounts(
        requests=1,
        promptTokens=answer["prompt"],
        completionTokens=answer["completion"],
        finishReasons={answer["finish"][0]: 1},
    )
    assert seen.traffic.codes == {"200": 1}
    assert LATENCY_FIRST_TOKEN not in seen.traffic.latency


def test_a_stream_has_a_first_token_and_an_end(line: Line, tmp_path: Path) -> None:
    """Where a server does not say how many tokens a stream took, they are not guessed."""
    answer = ask(line, tmp_path, "stream")
    assert answer["text"] == "A sepal of this flower is about five centimetres long."
    seen = line.seen(1, decoded=1)
    assert generation(seen) == GenerationCounts(
        requests=1, streamed=1, uncounted=1, finishReasons={answer["finish"][0]: 1}
    )
    first, response = (
        seen.traffic.latency[name] for name in (LATENCY_FIRST_TOKEN, LATENCY_RESPONSE)
    )
    assert first.count == response.count == 1
    assert 0 < first.total < answer["first"]
    assert first.total < response.total < answer["last"]


def test_too_many_requests_are_counted_as_such(line: Line, tmp_path: Path) -> None:
    assert ask(line, tmp_path, "limited") == {"status": 429}
    seen = line.seen(1)
    assert seen.traffic.codes == {"429": 1}
    assert generation(seen) is None


def test_no_text_is_kept(line: Line, tmp_path: Path) -> None:
    ask(line, tmp_path, "chat")
    seen = line.seen(1, decoded=1)
    assert "sepal" not in line.collector.log.read_text()
    assert "sepal" not in repr(seen.panes)
