"""Asks for chat completions with the openai client; prints what the client understood as JSON.

    openai_client.py HOW PORT

HOW is one of the functions of `WAYS`.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import openai

MODEL = "gpt-4o-mini"
QUESTION = "How long is a sepal?"


def _client(port: int) -> Any:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)


def chat(port: int) -> dict[str, Any]:
    """Ask for one answer in one piece."""
    answer = _client(port).chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": QUESTION}]
    )
    return {
        "model": answer.model,
        "prompt": answer.usage.prompt_tokens,
        "completion": answer.usage.completion_tokens,
        "finish": [choice.finish_reason for choice in answer.choices],
        "text": answer.choices[0].message.content,
    }


def stream(port: int) -> dict[str, Any]:
    """Ask for one answer in events, with the tokens it took; note when the first text came."""
    began = time.monotonic()
    first = 0.0
    usage = None
    text: list[str] = []
    finish: list[str] = []
    for chunk in _client(port).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            if choice.delta.content:
                first = first or time.monotonic() - began
                text.append(choice.delta.content)
            if choice.finish_reason:
                finish.append(choice.finish_reason)
    return {
        "prompt": usage.prompt_tokens if usage else None,
        "completion": usage.completion_tokens if usage else None,
        "finish": finish,
        "text": "".join(text),
        "first": first,
        "last": time.monotonic() - began,
    }


def tools(port: int) -> dict[str, Any]:
    """Ask for what is answered with the call of a tool."""
    answer = _client(port).chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Look it up."}]
    )
    return {
        "prompt": answer.usage.prompt_tokens,
        "completion": answer.usage.completion_tokens,
        "finish": [choice.finish_reason for choice in answer.choices],
    }


def limited(port: int) -> dict[str, Any]:
    """Ask too often."""
    try:
        _client(port).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Too many questions!"}]
        )
    except openai.RateLimitError as error:
        return {"status": error.status_code}
    return {}


WAYS: dict[str, Callable[[int], dict[str, Any]]] = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "limited": limited,
}


if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
