"""Valid messages made slightly wrong: by bytes, by numbers and words, by the shape of documents."""

import copy
import itertools
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

_STEPS: Final = (1, 1, 1, 2, 4)
"""Changes to one message: often one, so that most of it stays valid."""

_NUMBER: Final = re.compile(rb"-?\d+(?:\.\d+)?")
_WORDS: Final = (
    b"NaN", b"-Infinity", b"null", b"true", b'""', b"[]", b"{}", b"[[", b"]]", b'{"', b'"\\ud800"',
    b"\x00", b"\xff\xff\xff\xff", b"\r\n\r\n", b"\n\n", b"data: ", b"[DONE]", b"0\r\n\r\n",
    b'"shape":', b'"data":', b'"parameters":{"binary_data_size":8}', b"\x1f\x8b\x08", b"\x80" * 10,
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n",
    b"Inference-Header-Content-Length: 9\r\n", b"HTTP/1.1 200 OK\r\n", b"POST / HTTP/1.1\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n",
)  # fmt: skip
_NUMBERS: Final = (
    b"0", b"-1", b"1e400", b"-0.0", b"255", b"4294967295", b"4294967296", b"9223372036854775807",
    b"18446744073709551616", b"9" * 40, b"1e-320",
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 2**53, 1.5, 1e300, "", "x", "é", [], {}, [[]], [None], [1, "a"],
    {"a": 1}, [[1, 2], [3]], "1", [[[[1]]]], ["a"] * 20, {"shape": [1]}, "-", "\u2028",
)  # fmt: skip
_KEYS: Final = (
    "inputs", "outputs", "instances", "predictions", "data", "shape", "name", "datatype",
    "parameters", "binary_data_size", "dataframe_split", "dataframe_records", "columns", "messages",
    "prompt", "choices", "usage", "delta", "content", "index", "temp", "wind", "carrier", "label",
    "proba", "model", "finish_reason", "role",
)  # fmt: skip


class Mutator:
    """Changes messages, the same way for the same seed.

    Parameters
    ----------
    draw
        Where all chance comes from.
    others
        Messages whose parts are put into others.
    """

    def __init__(self, draw: random.Random, others: Sequence[bytes]) -> None:
        self._draw = draw
        self._others = others
        self._changes: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._overwrite,
            self._insert_word,
            self._insert_noise,
            self._delete,
            self._repeat,
            self._cut,
            self._splice,
            self._replace_number,
        )

    def raw(self, message: bytes) -> bytes:
        """Return a message with some bytes changed."""
        changed = bytearray(message)
        for _ in range(self._draw.choice(_STEPS)):
            self._draw.choice(self._changes)(changed)
        return bytes(changed)

    def body(self, message: bytes) -> bytes:
        """Return a body with its document, if it is one, or some bytes changed."""
        if message[:1] in {b"{", b"["} and self._draw.random() < 0.8:
            try:
                return self.document(orjson.loads(message))
            except orjson.JSONDecodeError:
                pass
        return self.raw(message)

    def document(self, document: Any) -> bytes:
        """Return a document with some members changed."""
        for _ in range(self._draw.choice(_STEPS)):
            document = self._reshape(document)
        return orjson.dumps(document)

    def pieces(self, message: bytes) -> list[bytes]:
        """Return a message in pieces, as it may come from a socket."""
        count = self._draw.choice((1, 1, 1, 2, 3, 8))
        cuts = sorted(self._draw.randint(0, len(message)) for _ in range(count - 1))
        edges = [0, *cuts, len(message)]
        pairs = itertools.pairwise(edges)
        return [message[begin:end] for begin, end in pairs if begin < end]

    def _place(self, message: bytearray) -> int:
        return self._draw.randrange(len(message) + 1)

    def _range(self, message: bytearray) -> slice:
        begin = self._place(message)
        return slice(begin, begin + self._draw.choice((1, 2, 4, 16, 64, 256)))

    def _flip(self, message: bytearray) -> None:
        if message:
            message[self._draw.randrange(len(message))] ^= 1 << self._draw.randrange(8)

    def _overwrite(self, message: bytearray) -> None:
        if message:
            message[self._draw.randrange(len(message))] = self._draw.choice(
                (0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5B, 0x7B, 0x2C, 0x0A, 0x0D)
            )

    def _insert_word(self, message: bytearray) -> None:
        place = self._place(message)
        message[place:place] = self._draw.choice(_WORDS)

    def _insert_noise(self, message: bytearray) -> None:
        place = self._place(message)
        message[place:place] = self._draw.randbytes(self._draw.randint(1, 32))

    def _delete(self, message: bytearray) -> None:
        del message[self._range(message)]

    def _repeat(self, message: bytearray) -> None:
        part = message[self._range(message)]
        place = self._place(message)
        message[place:place] = part * self._draw.choice((1, 2, 20))

    def _cut(self, message: bytearray) -> None:
        del message[self._place(message) :]

    def _splice(self, message: bytearray) -> None:
        other = bytearray(self._draw.choice(self._others))
        message[self._range(message)] = other[self._range(other)]

    def _replace_number(self, message: bytearray) -> None:
        found = [match.span() for match in _NUMBER.finditer(message)]
        if found:
            begin, end = self._draw.choice(found)
            message[begin:end] = self._draw.choice(_NUMBERS)

    def _reshape(self, document: Any) -> Any:
        """Return a document with one member, found by a walk from its root, changed."""
        draw = self._draw
        if isinstance(document, dict) and document and draw.random() < 0.8:
            key = draw.choice(list(document))
            match draw.randrange(8):
                case 0:
                    del document[key]
                case 1:
                    document[draw.choice(_KEYS)] = document.pop(key)
                case _:
                    document[key] = self._reshape(document[key])
            return document
        if isinstance(document, list) and document and draw.random() < 0.8:
            place = draw.randrange(len(document))
            match draw.randrange(8):
                case 0:
                    del document[place]
                case 1:
                    document.insert(place, document[place])
                case _:
                    document[place] = self._reshape(document[place])
            return document
        match draw.randrange(5):
            case 0:
                return [document]
            case 1:
                return {draw.choice(_KEYS): document}
            case _:
                return copy.deepcopy(draw.choice(_VALUES))
