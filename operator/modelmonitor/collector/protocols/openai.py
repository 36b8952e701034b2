"""OpenAI chat completions and completions, streamed and not: what was used, never what was said.

Of the texts only their lengths leave this module. Tokens are the server's own count (`usage`); a
stream has it in its last event, if the caller asked for it (`stream_options.include_usage`) or the
server sends it anyway.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from modelmonitor.collector.protocols.base import (
    Call,
    Column,
    Generation,
    Inputs,
    Rows,
    Schema,
    UndecodableError,
)
from modelmonitor.collector.protocols.documents import read_json, text_of
from modelmonitor.collector.protocols.events import MEDIA_TYPE, read_events, time_of
from modelmonitor.core.wire.pane import Undecodable

MAX_REASON: Final = 64
"""Characters of a finish reason that are kept."""
MAX_CHOICES: Final = 128

_DONE: Final = b"[DONE]"
_GENERATED: Final = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls")
"""What a choice is made of; the first of any of them is the first token."""


@dataclass(slots=True)
class _Choice:
    characters: int = 0
    reason: str | None = None


@dataclass(slots=True)
class _Answer:
    """An answer as far as it was read."""

    model: str = ""
    choices: dict[int, _Choice] = field(default_factory=dict)
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token: int | None = None

    def add(self, document: Any) -> bool:
        """Add a whole answer, or an event of one; return whether anything was generated in it."""
        if not isinstance(document, dict):
            return False
        self.model = text_of(document.get("model")) or self.model
        usage = document.get("usage")
        if isinstance(usage, dict):
            self.prompt_tokens = _count(usage.get("prompt_tokens"))
            self.completion_tokens = _count(usage.get("completion_tokens"))
        choices = document.get("choices")
        if not isinstance(choices, list):
            return False
        generated = [self._add_choice(choice) for choice in choices[:MAX_CHOICES]]
        return any(generated)

    def _add_choice(self, document: Any) -> bool:
        if not isinstance(document, dict):
            return False
        index = _count(document.get("index")) or 0
        if index >= MAX_CHOICES:
            return False
        choice = self.choices.setdefault(index, _Choice())
        choice.reason = text_of(document.get("finish_reason"))[:MAX_REASON] or choice.reason
        text = document.get("text")
        if isinstance(text, str):
            choice.characters += len(text)
            return bool(text)
        message = document.get("message") or document.get("delta")
        if not isinstance(message, dict):
            return False
        choice.characters += len(text_of(message.get("content")))
        return any(message.get(key) for key in _GENERATED)


class OpenAIDecoder:
    """Reads chat completions and completions.

    A schema may name these columns; one call is one row. Inputs: `prompt_characters`,
    `prompt_messages`, `prompt_tokens`, `temperature`, `max_tokens`. Outputs:
    `completion_characters`, `completion_tokens`, `finish_reason`, `model`; the locator's index
    tells the choice.
    """

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return what an answer used and how it ended, and the columns that the schema names."""
        request = read_json(call.request, Undecodable.REQUEST_SYNTAX)
        if not isinstance(request, dict) or ("messages" not in request and "prompt" not in request):
            raise UndecodableError(Undecodable.REQUEST_SHAPE)
        streamed = call.response_headers.get(b"content-type", b"").lower().startswith(MEDIA_TYPE)
        answer = _streamed(call) if streamed else _whole(call)
        if not answer.choices and answer.completion_tokens is None:
            raise UndecodableError(Undecodable.RESPONSE_SHAPE)
        inputs = [_input(name, request, answer) for name in schema.inputs]
        outputs = [_output(at.output, at.index, answer) for at in schema.outputs]
        named = any(column is not None for column in (*inputs, *outputs))
        return Rows(
            # Of a schema that is another port's, nothing is missing here.
            inputs=Inputs(rows=1 if named or not schema.inputs else 0, columns=inputs),
            outputs=outputs,
            model=answer.model or text_of(request.get("model")),
            generation=Generation(
                streamed=streamed,
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                finish_reasons=[c.reason for c in answer.choices.values() if c.reason],
                first_token=answer.first_token,
            ),
        )


def requested_model(content: bytes) -> str:
    """Return the model that a request's body names; empty if it names none."""
    try:
        document = read_json(content, Undecodable.REQUEST_SYNTAX)
    except UndecodableError:
        return ""
    return text_of(document.get("model")) if isinstance(document, dict) else ""


def has_messages(content: bytes) -> bool:
    """Return whether a request's body is a chat, whatever its path was."""
    try:
        document = read_json(content, Undecodable.REQUEST_SYNTAX)
    except UndecodableError:
        return False
    messages = document.get("messages") if isinstance(document, dict) else None
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(isinstance(message, dict) and "role" in message for message in messages)
    )


def _whole(call: Call) -> _Answer:
    answer = _Answer()
    answer.add(read_json(call.response, Undecodable.RESPONSE_SYNTAX))
    return answer


def _streamed(call: Call) -> _Answer:
    answer = _Answer()
    begun = False
    for event in read_events(call.response):
        if event.data == _DONE:
            break
        generated = answer.add(read_json(event.data, Undecodable.RESPONSE_SYNTAX))
        if generated and not begun:
            begun = True
            answer.first_token = time_of(event.end, call.times)
    return answer


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _characters(content: Any) -> int:
    """Return the length of a prompt: text, or a list of texts, messages or parts with text."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, list):
        return sum(map(_part_characters, content))
    return 0


def _part_characters(part: Any) -> int:
    if isinstance(part, dict):
        content = part.get("content")
        if isinstance(content, list):
            return sum(len(text_of(inner.get("text"))) for inner in content if type(inner) is dict)
        return len(text_of(content)) + len(text_of(part.get("text")))
    return len(text_of(part))


_Reading = Callable[[Mapping[str, Any], _Answer], Any]

_INPUTS: Final[dict[str, _Reading]] = {
    "prompt_characters": lambda request, _: _characters(
        request["messages"] if "messages" in request else request.get("prompt")
    ),
    "prompt_messages": lambda request, _: (
        len(request["messages"]) if isinstance(request.get("messages"), list) else None
    ),
    "prompt_tokens": lambda _, answer: answer.prompt_tokens,
    "temperature": lambda request, _: _scalar(request.get("temperature")),
    "max_tokens": lambda request, _: _scalar(
        request.get("max_completion_tokens", request.get("max_tokens"))
    ),
}


def _input(name: str, request: Mapping[str, Any], answer: _Answer) -> Column:
    reading = _INPUTS.get(name)
    return None if reading is None else [reading(request, answer)]


def _output(name: str, index: int, answer: _Answer) -> Column:
    choice = answer.choices.get(index, _Choice())
    match name:
        case "completion_characters":
            return [choice.characters if index in answer.choices else None]
        case "completion_tokens":
            return [answer.completion_tokens]
        case "finish_reason":
            return [choice.reason]
        case "model":
            return [answer.model or None]
        case _:
            return None


def _scalar(value: Any) -> Any:
    return value if isinstance(value, int | float) else None
