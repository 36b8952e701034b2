"""From exchanges to rows: which requests are sampled, and what their bodies say."""

import hashlib
import json
import logging
import zlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from modelmonitor.collector.observer.bodies import MAX_MESSAGE, Body
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import Column, Inputs, Schema, UndecodableError
from modelmonitor.collector.protocols.registry import AUTO, Target, decoder_for, target_of
from modelmonitor.core.profile import ColumnRole, OutputLocator
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Undecodable

logger = logging.getLogger(__name__)

_WINDOW_BITS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_BINARY_HEADER: Final = b"inference-header-content-length"
_HASH_RANGE: Final = 2.0**64


class Decoded(NamedTuple):
    """The rows of one request."""

    inputs: Inputs
    outputs: list[Column]
    """In the order of the configuration's output columns."""
    version: str
    """The model's version, where the response names it."""


class Interpreter:
    """Reads exchanges as one configuration says.

    Parameters
    ----------
    configuration
        None until one is pushed: nothing is decoded.
    port_names
        Names of the captured ports, by index.
    """

    def __init__(
        self, configuration: CollectorConfiguration | None, port_names: tuple[str, ...]
    ) -> None:
        columns = configuration.columns if configuration else []
        protocols: Mapping[str, str] = configuration.protocols if configuration else {}
        self._protocols = [protocols.get(name, AUTO) for name in port_names]
        self._model = configuration.model if configuration else ""
        self._ratio = configuration.sampleRatio if configuration else 0.0
        self._schema = Schema(
            inputs=tuple(column.name for column in columns if column.role is ColumnRole.INPUT),
            outputs=tuple(
                column.locator or OutputLocator()
                for column in columns
                if column.role is not ColumnRole.INPUT
            ),
        )

    def concerns(self, exchange: Exchange) -> bool:
        """Return whether a request is for the monitored model, or for none by name."""
        model = self._target(exchange).model
        return not self._model or not model or model == self._model

    def samples(self, exchange: Exchange) -> bool:
        """Return whether a request's bodies are to be decoded."""
        return (
            bool(self._schema.inputs)
            and self._target(exchange).inference
            and self.concerns(exchange)
            and self._drawn(exchange)
        )

    def decode(self, exchange: Exchange) -> Decoded:
        """Return the rows of a sampled request that succeeded.

        Raises
        ------
        UndecodableError
            Whatever is wrong with the bodies.
        """
        try:
            return self._decode(exchange)
        except UndecodableError:
            raise
        except Exception as error:
            logger.exception("a decoder failed")
            raise UndecodableError(Undecodable.INTERNAL) from error

    def _decode(self, exchange: Exchange) -> Decoded:
        if exchange.request.too_large or exchange.response.too_large:
            raise UndecodableError(Undecodable.TOO_LARGE)
        if _BINARY_HEADER in exchange.headers or _BINARY_HEADER in exchange.response_headers:
            raise UndecodableError(Undecodable.BINARY)
        document = _document(exchange.request, exchange.headers, Undecodable.REQUEST_SYNTAX)
        decoder = decoder_for(self._protocols[exchange.port], exchange.path, document)
        inputs = decoder.request(document, self._schema)
        if not self._schema.outputs:
            return Decoded(inputs, [], "")
        answer = _document(
            exchange.response, exchange.response_headers, Undecodable.RESPONSE_SYNTAX
        )
        outputs = decoder.response(answer, self._schema, inputs.rows)
        version = answer.get("model_version") if isinstance(answer, dict) else None
        return Decoded(inputs, outputs, version if isinstance(version, str) else "")

    def _target(self, exchange: Exchange) -> Target:
        if exchange.target is None:
            exchange.target = target_of(
                self._protocols[exchange.port],
                exchange.method,
                exchange.path,
                exchange.headers.get(b"content-type", b""),
            )
        return exchange.target

    def _drawn(self, exchange: Exchange) -> bool:
        """Draw by a hash of the request's id, so that a retried request is drawn again."""
        if self._ratio >= 1.0:
            return True
        identity = exchange.headers.get(b"x-request-id") or exchange.headers.get(b"ce-id")
        if identity is None:
            identity = b"%d:%d:%d" % (exchange.port, exchange.connection, exchange.number)
        digest = hashlib.blake2b(identity, digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._ratio * _HASH_RANGE


def _document(body: Body, headers: Mapping[bytes, bytes], reason: Undecodable) -> Any:
    content = _plain(body.content(), headers.get(b"content-encoding", b"").strip().lower())
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in content and b"Infinity" not in content:
            raise UndecodableError(reason) from error
    # Python's own encoder writes NaN and Infinity, which JSON does not know.
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UndecodableError(reason) from error


def _plain(content: bytes, coding: bytes) -> bytes:
    if coding in {b"", b"identity"}:
        return content
    if coding not in _WINDOW_BITS:
        raise UndecodableError(Undecodable.ENCODING)
    inflater = zlib.decompressobj(_WINDOW_BITS[coding])
    try:
        plain = inflater.decompress(content, MAX_MESSAGE + 1)
    except zlib.error as error:
        raise UndecodableError(Undecodable.ENCODING) from error
    if len(plain) > MAX_MESSAGE:
        raise UndecodableError(Undecodable.TOO_LARGE)
    if not inflater.eof:
        raise UndecodableError(Undecodable.ENCODING)
    return plain
