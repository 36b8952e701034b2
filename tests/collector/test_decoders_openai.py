"""Text generation: what was used and when it began, never what was said."""

import gzip
import json
from typing import Any

import pytest

from modelmonitor.collector.observer.bodies import Body
from modelmonitor.collector.observer.decoding import Decoded, Interpreter
from modelmonitor.collector.protocols.base import Generation, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.events import Event, read_events, time_of
from modelmonitor.core.baseline.profile import OutputLocator
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Undecodable
from tests.collector.harness import configuration_for, numeric
from tests.collector.layouts import (
    CHAT,
    JSON_TYPE,
    call_of,
    chunk,
    columns,
    decoded,
    exchange_of,
    lists,
    sse,
)

STREAM = {b"content-type": b"text/event-stream; charset=utf-8"}
SECRET = "my own words"
REQUEST = {
    "model": "gpt-x",
    "messages": [
        {"role": "system", "content": "short"},
        {"role": "user", "content": [{"type": "text", "text": SECRET}, {"type": "image_url"}]},
    ],
    "temperature": 0.5,
    "max_completion_tokens": 64,
    "stream": True,
}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-x-0613",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": SECRET},
            "finish_reason": "stop",
        },
        {"index": 1, "message": {"role": "assistant", "content": "é"}, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
}
USAGE = {"prompt_tokens": 9, "completion_tokens": 2}
CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
    {"object": "chat.completion.chunk", "model": "gpt-x", "choices": [], "usage": USAGE},
]
NOTHING = Schema(inputs=(), outputs=())
SCHEMA = Schema(
    inputs=("prompt_characters", "prompt_messages", "prompt_tokens", "temperature", "max_tokens"),
    outputs=tuple(
        OutputLocator(output=name)
        for name in ("completion_characters", "completion_tokens", "finish_reason", "model")
    ),
)


def generation(response: Any, *, request: Any = REQUEST, path: bytes = CHAT) -> Generation | None:
    return read(response, request=request, path=path).generation


def read(
    response: Any, *, request: Any = REQUEST, path: bytes = CHAT, schema: Schema = NOTHING
) -> Rows:
    """Decode an answer: a stream's bytes, or the document of one that came at once."""
    streamed = isinstance(response, bytes)
    body = response if streamed else json.dumps(response).encode()
    headers = STREAM if streamed else JSON_TYPE
    call = call_of(path, json.dumps(request).encode(), body, response_headers=headers)
    return decoded(call, schema)


def test_an_answer_at_once_says_what_it_used() -> None:
    assert generation(ANSWER) == Generation(
        streamed=False, prompt_tokens=9, completion_tokens=12, finish_reasons=["stop", "length"]
    )


def test_a_stream_says_what_it_used_in_its_last_event() -> None:
    assert generation(sse(*CHUNKS)) == Generation(
        streamed=True, prompt_tokens=9, completion_tokens=2, finish_reasons=["stop"]
    )


def test_a_stream_without_usage_has_no_tokens() -> None:
    found = generation(sse(*CHUNKS[:-1]))
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == (None, None)


def test_completions_of_the_older_kind_are_read() -> None:
    answer = {
        "model": "gpt-i",
        "choices": [{"index": 0, "text": "abc", "finish_reason": "length"}],
        "usage": USAGE,
    }
    schema = Schema(inputs=("prompt_characters",), outputs=SCHEMA.outputs)
    for prompt, length in [("four", 4), (["a", "bc"], 3), ([1, 2, 3], 0)]:
        found = read(
            answer,
            request={"model": "gpt-i", "prompt": prompt},
            path=b"/openai/v1/completions",
            schema=schema,
        )
        assert columns(found, schema) == [[length]]
        assert lists(found.outputs) == [[3], [2], ["length"], ["gpt-i"]]


def test_the_columns_of_fixed_names() -> None:
    found = read(ANSWER, schema=SCHEMA)
    assert columns(found, SCHEMA) == [[len("short") + len(SECRET)], [2], [9], [0.5], [64]]
    assert lists(found.outputs) == [[len(SECRET)], [12], ["stop"], ["gpt-x-0613"]]
    second = Schema(inputs=(), outputs=(OutputLocator(output="finish_reason", index=1),))
    assert lists(read(ANSWER, schema=second).outputs) == [["length"]]


def test_a_schema_of_other_columns_misses_nothing_here() -> None:
    other = Schema(inputs=("temp",), outputs=(OutputLocator(output="label"),))
    found = read(ANSWER, schema=other)
    assert found.inputs.rows == 0
    assert columns(found, other) == [None]
    assert lists(found.outputs) == [None]


def test_what_was_said_does_not_leave_the_decoder() -> None:
    for response in (ANSWER, sse(chunk({"content": SECRET}))):
        assert SECRET not in repr(read(response, schema=SCHEMA))


def times_of(parts: list[bytes]) -> list[tuple[int, int]]:
    """Return the offset of each part, and a time 100 µs after that of the part before."""
    found, offset = [], 0
    for number, part in enumerate(parts):
        found.append((offset, 1000 + 100 * number))
        offset += len(part)
    return found


@pytest.mark.parametrize(
    ("parts", "first"),
    [
        ([sse(one, done=False) for one in CHUNKS], 1100),
        ([sse(*CHUNKS)], 1000),
        ([sse(*CHUNKS)[:-30], sse(*CHUNKS)[-30:]], 1000),
        # The event of the first text is complete with the second part only.
        ([sse(*CHUNKS[:2])[:-20], sse(*CHUNKS[:2])[-20:]], 1100),
        ([b": comment\n\n", b"\n", sse(CHUNKS[1])], 1200),
        ([sse(CHUNKS[0], done=False), sse(chunk({"reasoning_content": "hm"}))], 1100),
        ([sse(CHUNKS[0], done=False), sse(chunk({"tool_calls": [{"index": 0}]}))], 1100),
        ([sse(CHUNKS[0]), sse(CHUNKS[1])], None),
        ([sse(CHUNKS[0], CHUNKS[3])], None),
    ],
)
def test_the_first_token_is_timed_by_the_part_that_completes_it(
    parts: list[bytes], first: int | None
) -> None:
    call = call_of(
        CHAT,
        json.dumps(REQUEST).encode(),
        b"".join(parts),
        response_headers=STREAM,
        times=times_of(parts),
    )
    found = decoded(call, NOTHING).generation
    assert found is not None
    assert found.first_token == first


def test_without_times_there_is_no_first_token() -> None:
    found = generation(sse(*CHUNKS))
    assert found is not None
    assert found.first_token is None
    assert time_of(5, []) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"data: a\n\ndata:b\r\n\r\ndata: c\r\rdata: cut", [(b"a", 8), (b"b", 17), (b"c", 27)]),
        (b"event: x\nid: 1\ndata: a\ndata:  b\n\n", [(b"a\n b", 32)]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"a", 11)]),
        (b"data\n\n: nothing\n\n", [(b"", 5)]),
    ],
)
def test_events_are_read_as_the_standard_says(
    content: bytes, expected: list[tuple[bytes, int]]
) -> None:
    assert list(read_events(content)) == [Event(*one) for one in expected]


@pytest.mark.parametrize(
    ("request_body", "response", "headers", "reason"),
    [
        (b"{", b"{}", JSON_TYPE, Undecodable.REQUEST_SYNTAX),
        (b'{"model":"x"}', b"{}", JSON_TYPE, Undecodable.REQUEST_SHAPE),
        (b"[]", b"{}", JSON_TYPE, Undecodable.REQUEST_SHAPE),
        (b'{"prompt":"x"}', b"{}", JSON_TYPE, Undecodable.RESPONSE_SHAPE),
        (b'{"prompt":"x"}', b'{"choices":7}', JSON_TYPE, Undecodable.RESPONSE_SHAPE),
        (b'{"prompt":"x"}', b"", JSON_TYPE, Undecodable.RESPONSE_SYNTAX),
        (b'{"prompt":"x"}', b"", STREAM, Undecodable.RESPONSE_SHAPE),
        (b'{"prompt":"x"}', b"data: {\n\n", STREAM, Undecodable.RESPONSE_SYNTAX),
        (b'{"prompt":"x"}', b":\n" * 200_000, STREAM, Undecodable.TOO_LARGE),
    ],
)
def test_what_is_no_generation_has_a_reason(
    request_body: bytes, response: bytes, headers: dict[bytes, bytes], reason: Undecodable
) -> None:
    call = call_of(CHAT, request_body, response, response_headers=headers)
    with pytest.raises(UndecodableError) as undecodable:
        decoded(call, SCHEMA)
    assert undecodable.value.reason == reason


def observed(
    configuration: CollectorConfiguration, headers: dict[bytes, bytes], response: bytes
) -> Decoded:
    call = call_of(CHAT, json.dumps(REQUEST).encode(), response, response_headers=headers)
    exchange = exchange_of(call)
    exchange.response = Body(wanted=True, parts=[response], timed=True, times=[(0, 5)])
    return Interpreter(configuration, ("http",)).decode(exchange)


def test_offsets_into_a_compressed_stream_tell_no_time() -> None:
    plain = observed(configuration_for(), STREAM, sse(*CHUNKS)).rows.generation
    assert plain is not None
    assert plain.first_token == 5
    coded = STREAM | {b"content-encoding": b"gzip"}
    zipped = observed(configuration_for(), coded, gzip.compress(sse(*CHUNKS))).rows.generation
    assert zipped is not None
    assert (zipped.completion_tokens, zipped.first_token) == (2, None)


def test_generations_are_sampled_without_any_column() -> None:
    exchange = exchange_of(call_of(CHAT, b"", b""))
    assert Interpreter(configuration_for(), ("http",)).samples(exchange)
    assert not Interpreter(configuration_for(sampleRatio=0.0), ("http",)).samples(exchange)
    tabular = exchange_of(call_of(b"/predict", b"", b""))
    assert not Interpreter(configuration_for(), ("http",)).samples(tabular)
    assert Interpreter(configuration_for(numeric("a")), ("http",)).samples(tabular)
