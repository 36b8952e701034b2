"""From exchanges to rows: which requests are sampled, and what their bodies say."""

import hashlib
import logging
import traceback
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from modelmonitor.collector.observer.bodies import MAX_MESSAGE, Body
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols import openai, openinference_grpc
from modelmonitor.collector.protocols.base import Call, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.recognition import (
    AUTO,
    OPENAI,
    Confidence,
    Recognition,
    Target,
    recognise,
    target_of,
)
from modelmonitor.collector.protocols.registry import decoders
from modelmonitor.core.baseline.profile import ColumnRole, OutputLocator
from modelmonitor.core.wire.configuration import CollectorConfiguration, JSONPaths
from modelmonitor.core.wire.pane import Undecodable

logger = logging.getLogger(__name__)

_WINDOW_BITS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_HASH_RANGE: Final = 2.0**64
_BECAUSE: Final = {
    Confidence.DECLARED: "the monitor says so",
    Confidence.PATH: "by their path",
    Confidence.CONTENT: "by their content",
    Confidence.FALLBACK: "nothing says otherwise; declare the protocol if this is wrong",
}


class Decoded(NamedTuple):
    """What one request says, and how it was read."""

    rows: Rows
    recognition: Recognition
    """What the bodies were taken for, and how sure that is."""

    @property
    def protocol(self) -> str:
        """What the bodies were taken for, as named in the API; never Auto."""
        return self.recognition.protocol


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
        self._port_names = port_names
        self._said: set[tuple[int, Recognition]] = set()
        self._protocols = [protocols.get(name, AUTO) for name in port_names]
        paths: Mapping[str, JSONPaths] = configuration.paths if configuration else {}
        self._decoders = [decoders(paths.get(name)) for name in port_names]
        self._model = configuration.model if configuration else ""
        self._ratio = configuration.sampleRatio if configuration else 0.0
        self.schema = Schema(
            inputs=tuple(column.name for column in columns if column.role is ColumnRole.INPUT),
            outputs=tuple(
                column.locator or OutputLocator() for column in columns if column.role.is_output
            ),
            arrays=_arrays(configuration),
            names=_input_names(configuration),
        )
        """What is looked for in messages."""
        self._has_inputs = bool(self.schema.inputs)

    def concerns(self, exchange: Exchange) -> bool:
        """Return whether a request is for the monitored model, or for none by name.

        Where the body names the model, it is known only when the request is complete; until then
        the request may concern.
        """
        return self._is_ours(self._target(exchange))

    def wants(self, exchange: Exchange) -> bool:
        """Return whether a request's bodies are to be kept: to be decoded, or to name the model."""
        target = self._target(exchange)
        names = bool(self._model) and target.inference and target.model_within
        return names or self.samples(exchange)

    def samples(self, exchange: Exchange) -> bool:
        """Return whether a request's bodies are to be decoded."""
        target = self._target(exchange)
        return (
            target.inference
            and (self._has_inputs or _generates(target))
            and self._is_ours(target)
            and (self._ratio >= 1.0 or self._drawn(exchange))
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
            _log_fault(error)
            raise UndecodableError(Undecodable.INTERNAL) from error

    def _decode(self, exchange: Exchange) -> Decoded:
        coding = _coding(exchange.response_headers)
        call = Call(
            path=exchange.path,
            request_headers=exchange.headers,
            request=_plain(exchange.request, exchange.headers),
            response_headers=exchange.response_headers,
            response=_plain(exchange.response, exchange.response_headers),
            request_end=exchange.request_end,
            # Offsets are those on the wire: of a compressed body they tell nothing.
            times=() if coding else exchange.response.times,
        )
        recognition = self._target(exchange).recognition or recognise(call)
        decoder = self._decoders[exchange.port][recognition.protocol]
        decoded = Decoded(decoder.decode(call, self.schema), recognition)
        if (exchange.port, recognition) not in self._said:
            self._say(exchange.port, recognition)
        return decoded

    def _say(self, port: int, recognition: Recognition) -> None:
        """Log once what requests of a port are taken for, and why."""
        self._said.add((port, recognition))
        logger.info(
            "port %s: requests are read as %s (%s)",
            self._port_names[port],
            recognition.protocol,
            _BECAUSE[recognition.confidence],
        )

    def _target(self, exchange: Exchange) -> Target:
        target = exchange.target
        if target is None:
            target = exchange.target = target_of(
                self._protocols[exchange.port],
                exchange.method,
                exchange.path,
                exchange.headers.get(b"content-type", b""),
            )
        if target.model_within and self._model and exchange.request_complete:
            model = _model_within(target, exchange)
            target = exchange.target = target._replace(model=model, model_within=False)
        return target

    def _is_ours(self, target: Target) -> bool:
        return not self._model or not target.model or target.model == self._model

    def _drawn(self, exchange: Exchange) -> bool:
        """Draw by a hash of the request's id, so that a retried request is drawn again."""
        identity = exchange.headers.get(b"x-request-id") or exchange.headers.get(b"ce-id")
        if identity is None:
            identity = b"%d:%d:%d" % (exchange.port, exchange.connection, exchange.number)
        digest = hashlib.blake2b(identity, digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._ratio * _HASH_RANGE


def _input_names(configuration: CollectorConfiguration | None) -> frozenset[str] | None:
    """Return the names of the inputs, if others are to be told."""
    if configuration is None or not configuration.checks.names:
        return None
    return frozenset(
        column.name for column in configuration.columns if column.role is ColumnRole.INPUT
    )


def _log_fault(error: Exception) -> None:
    """Log where a decoder failed; neither the message nor values, which may quote a body."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    kind = type(error).__name__
    logger.error("a decoder is at fault: %s in %s:%s", kind, place.filename, place.lineno)


def _generates(target: Target) -> bool:
    """Return whether a request is for text, which says something without any column."""
    return target.recognition is not None and target.recognition.protocol == OPENAI


def _model_within(target: Target, exchange: Exchange) -> str:
    """Return the model that a body names; empty if it names none."""
    if not exchange.request.wanted:
        return ""
    try:
        content = _plain(exchange.request, exchange.headers)
    except UndecodableError:
        return ""
    if _generates(target):
        return openai.requested_model(content)
    return openinference_grpc.requested_model(content)


def _coding(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the content coding; empty if there is none."""
    written = headers.get(b"content-encoding")
    if written is None:  # by far the most
        return b""
    coding = written.strip().lower()
    return b"" if coding == b"identity" else coding


def _plain(body: Body, headers: Mapping[bytes, bytes]) -> bytes:
    if body.too_large:
        raise UndecodableError(Undecodable.TOO_LARGE)
    if body.incomplete:
        raise UndecodableError(Undecodable.INCOMPLETE)
    content = body.content()
    coding = _coding(headers)
    if not coding:
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


def _arrays(configuration: CollectorConfiguration | None) -> frozenset[str]:
    """Return the inputs of which a row may be a whole array: pictures and embeddings."""
    if configuration is None:
        return frozenset()
    views = [view for view in configuration.moments if view.projection]
    sources = [column.derived.source for column in configuration.columns if column.derived]
    return frozenset([*sources, *(name for view in views for name in view.columns)])
