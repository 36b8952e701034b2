"""Chat completions with the openai client, from a server that answers by rules."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.core.wire.pane import LATENCY_FIRST_TOKEN, LATENCY_RESPONSE, GenerationCounts
from tests.collector.harness import LOOPBACK, configuration_for, free_port
from tests.interop.line import Line, Lines, Seen
from tests.interop.servers import PROGRAMS, answers, run_program, running_server

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

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
  respond: {content: "%s"}
"""
SENTENCE = "A sepal of this flower is about five centimetres long."
OPENAI = {"http/OpenAI": 1}


@pytest.fixture(scope="module")
def server(folder: Callable[[str], Path]) -> Iterator[int]:
    """Run a server that does not say how many tokens a stream took."""
    home, port = folder("fakellm"), free_port()
    (home / "fakellm.yaml").write_text(RULES % SENTENCE)
    command = ["fakellm", "serve", "--host", LOOPBACK, "--port", str(port)]
    with running_server("openai", home, command, ready=lambda: answers(port, "/_fakellm/stats")):
        yield port


@pytest.fixture(scope="module")
def counting_server(folder: Callable[[str], Path]) -> Iterator[int]:
    """Run a server that ends its streams with the number of tokens."""
    home, port = folder("llm-mock"), free_port()
    command = ["llm-mock-api", "start", "--host", LOOPBACK, "--port", str(port)]
    answer = ["--fallback", SENTENCE, "--latency", "5", "--chunk-size", "8"]
    with running_server("openai", home, command + answer, ready=lambda: answers(port, "/docs")):
        yield port


@pytest.fixture(scope="module", params=["Auto", "OpenAI"])
def running(server: int, lines: Lines, request: pytest.FixtureRequest) -> Line:
    return lines(server, configuration_for(protocols={"http": request.param}))


@pytest.fixture
def counting_line(counting_server: int, lines: Lines) -> Line:
    line = lines(counting_server, configuration_for(protocols={"http": "OpenAI"}))
    line.forget()
    return line


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
    assert (seen.traffic.codes, seen.protocols) == ({"200": 1}, OPENAI)
    assert LATENCY_FIRST_TOKEN not in seen.traffic.latency


def test_a_stream_has_a_first_token_and_an_end(line: Line, tmp_path: Path) -> None:
    """Where a server does not say how many tokens a stream took, they are not guessed."""
    answer = ask(line, tmp_path, "stream")
    assert answer["text"] == SENTENCE
    seen = line.seen(1, decoded=1)
    assert generation(seen) == GenerationCounts(
        requests=1, streamed=1, uncounted=1, finishReasons={answer["finish"][0]: 1}
    )
    check_times(seen, answer)


def test_a_stream_that_says_its_tokens_is_counted(counting_line: Line, tmp_path: Path) -> None:
    answer = ask(counting_line, tmp_path, "stream")
    assert answer["text"] == SENTENCE
    seen = counting_line.seen(1, decoded=1)
    assert generation(seen) == GenerationCounts(
        requests=1,
        streamed=1,
        promptTokens=answer["prompt"],
        completionTokens=answer["completion"],
        finishReasons={answer["finish"][0]: 1},
    )
    check_times(seen, answer)


def check_times(seen: Seen, answer: dict[str, Any]) -> None:
    """Check that the first token came before the end, and neither later than at the client."""
    first, response = (
        seen.traffic.latency[name] for name in (LATENCY_FIRST_TOKEN, LATENCY_RESPONSE)
    )
    assert first.count == response.count == 1
    assert 0 < first.total < answer["first"]
    assert first.total < response.total < answer["last"]
    assert seen.protocols == OPENAI


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
