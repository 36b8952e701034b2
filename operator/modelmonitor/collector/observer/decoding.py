"""From exchanges to rows: which requests are sampled, and what their bodies say."""

import hashlib
import logging
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from modelmonitor.collector.observer.bodies import MAX_MESSAGE, Body
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import Call, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.registry import AUTO, DECODERS, Target, protocol_of, target_of
from modelmonitor.core.profile import ColumnRole, OutputLocator
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Undecodable

logger = logging.getLogger(__name__)

_WINDOW_BITS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_HASH_RANGE: Final = 2.0**64


class Decoded(NamedTuple):
    """What one request says, and how it was read."""

    rows: Rows
    protocol: str
    """That the bodies were taken for, as named in the API; never Auto."""


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
        call = Call(
            path=exchange.path,
            request_headers=exchange.headers,
            request=_plain(exchange.request, exchange.headers),
            response_headers=exchange.response_headers,
            response=_plain(exchange.response, exchange.response_headers),
            request_end=exchange.request_end,
            times=exchange.response.times,
        )
        protocol = protocol_of(self._protocols[exchange.port], call)
        return Decoded(DECODERS[protocol].decode(call, self._schema), protocol)

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


def _plain(body: Body, headers: Mapping[bytes, bytes]) -> bytes:
    if body.too_large:
        raise UndecodableError(Undecodable.TOO_LARGE)
    content = body.content()
    coding = headers.get(b"content-encoding", b"").strip().lower()
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
