"""HTTP/1.1 from bytes in any pieces to exchanges; nothing raises."""

import gzip
import random
from dataclasses import dataclass, field

import pytest
from httptools import HttpRequestParser, HttpResponseParser
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmonitor.collector.observer.bodies import (
    MAX_TIMES,
    SEPARATE_PARTS,
    TIME_BYTES,
    Body,
    BodyKeeper,
)
from modelmonitor.collector.observer.chunks import MAX_LINE
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.framing import Connection
from modelmonitor.collector.observer.headers import KEPT_HEADERS, MAX_HEAD, MAX_HEADERS
from modelmonitor.collector.observer.heads import MAX_REMEMBERED

REQUEST = b"POST /v2/models/m/infer?x=1 HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
CHUNKED_BODY = b"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n"


@dataclass
class Recorded:
    """Takes everything."""

    exchanges: list[Exchange] = field(default_factory=list)
    forgotten: list[Exchange] = field(default_factory=list)
    begun: int = 0
    unread_bytes: int = 0
    bodies: BodyKeeper = field(default_factory=BodyKeeper)

    def begins(self, exchange: Exchange) -> bool:
        self.begun += 1
        exchange.request.wanted = exchange.response.wanted = True
        return True

    def unread(self, length: int) -> None:
        self.unread_bytes += length

    def finished(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    def abandoned(self, exchange: Exchange) -> None:
        self.forgotten.append(exchange)


def connection() -> tuple[Connection, Recorded]:
    sink = Recorded()
    return Connection(1, 0, sink), sink


def pieces(data: bytes, draw: random.Random) -> list[bytes]:
    cuts = sorted(draw.sample(range(1, len(data)), min(draw.randint(0, 12), len(data) - 1)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


REQUESTS = [
    REQUEST + b"Content-Length: 5\r\n\r\nhello",
    REQUEST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED_BODY,
    b"GET /health HTTP/1.1\r\nHost: m\r\n\r\n",
    b"HEAD /health HTTP/1.1\r\nHost: m\r\n\r\n",
    REQUEST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
]
BODIES = [b"hello", b"abcdefg", b"", b"", b"hi"]
RESPONSES = [
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_BODY,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 512\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
]
ANSWERS = [b"ok", b"abcdefg", b"", b"", b""]
CODES = ["200", "200", "204", "200", "503"]


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_pieces_give_the_same_exchanges(seed: int) -> None:
    draw = random.Random(seed)
    following, sink = connection()
    order = [draw.randrange(len(REQUESTS)) for _ in range(draw.randint(1, 6))]
    time = 0
    times = []
    for index in order:
        for piece in pieces(REQUESTS[index], draw):
            time += 10
            following.request_bytes(piece, time)
        asked = time
        for piece in pieces(RESPONSES[index], draw):
            time += 10
            following.response_bytes(piece, time)
        times.append((asked, time))
    following.close()
    assert [exchange.code for exchange in sink.exchanges] == [CODES[index] for index in order]
    assert [exchange.request.content() for exchange in sink.exchanges] == [
        BODIES[index] for index in order
    ]
    assert [exchange.response.content() for exchange in sink.exchanges] == [
        ANSWERS[index] for index in order
    ]
    assert [(exchange.request_end, exchange.response_end) for exchange in sink.exchanges] == times
    assert sink.forgotten == []


def test_pipelined_requests_are_paired_in_order() -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0] + REQUESTS[2] + REQUESTS[1], 10)
    following.response_bytes(RESPONSES[0] + RESPONSES[2] + RESPONSES[1], 30)
    assert [exchange.path for exchange in sink.exchanges] == [
        b"/v2/models/m/infer",
        b"/health",
        b"/v2/models/m/infer",
    ]
    assert [exchange.code for exchange in sink.exchanges] == ["200", "204", "200"]


def test_the_first_byte_is_not_that_of_a_100_continue() -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0], 10)
    following.response_bytes(b"HTTP/1.1 100 Continue\r\n\r\n", 20)
    following.response_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 30)
    following.response_bytes(b"ok", 45)
    (exchange,) = sink.exchanges
    assert (exchange.request_end, exchange.first_byte, exchange.response_end) == (10, 30, 45)


def test_a_response_without_length_ends_with_its_last_byte() -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0], 10)
    following.response_bytes(b"HTTP/1.1 200 OK\r\n\r\npart", 20)
    following.response_bytes(b" two", 30)
    assert sink.exchanges == []
    following.close()
    (exchange,) = sink.exchanges
    assert (exchange.code, exchange.response_end) == ("200", 30)
    assert exchange.response.content() == b"part two"


@pytest.mark.parametrize(
    "response",
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"],
)
def test_a_connection_that_ends_too_early_leaves_a_request_without_response(
    response: bytes,
) -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0] + REQUESTS[0][:40], 10)
    if response:
        following.response_bytes(response, 20)
    following.close()
    assert [exchange.code for exchange in sink.exchanges] == ["none"]


def test_a_client_that_leaves_a_stream_after_its_last_event_has_had_its_response() -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0] + REQUESTS[2], 10)
    following.response_bytes(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\n\r\ne\r\ndata: [DONE]\n\n\r\n",
        20,
    )
    following.close()
    answered, unanswered = sink.exchanges
    assert (answered.code, answered.response_end, unanswered.code) == ("200", 20, "none")
    assert answered.response.content() == b"data: [DONE]\n\n"


def test_an_accepted_upgrade_is_one_request_and_then_opaque() -> None:
    following, sink = connection()
    head = b"GET /ws HTTP/1.1\r\nHost: m\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    following.request_bytes(head, 10)
    following.response_bytes(
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05",
        20,
    )
    following.request_bytes(b"\x81\x85 not HTTP", 30)
    following.response_bytes(b"\x00" * 100, 40)
    following.close()
    assert [exchange.code for exchange in sink.exchanges] == ["101"]
    assert following.readable, "an upgraded connection lost nothing"


def test_a_connection_that_is_not_http_is_unreadable_until_a_request_line() -> None:
    following, sink = connection()
    readable = []
    following.request_bytes(b"\x16\x03\x01 client hello", 10)
    readable.append(following.readable)
    following.response_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 20)
    following.request_bytes(REQUESTS[2], 30)
    readable.append(following.readable)
    assert readable == [False, True]
    following.response_bytes(RESPONSES[2], 40)
    assert [exchange.code for exchange in sink.exchanges] == ["204"]


def test_after_a_restart_nothing_from_before_is_paired() -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0], 10)
    following.resync()
    following.request_bytes(REQUESTS[2], 20)
    following.response_bytes(RESPONSES[2], 30)
    assert [exchange.path for exchange in sink.exchanges] == [b"/health"]
    assert len(sink.forgotten) == 1


def test_an_early_answer_has_no_negative_latency() -> None:
    following, sink = connection()
    following.request_bytes(REQUEST + b"Content-Length: 500\r\n\r\n", 10)
    following.response_bytes(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 20)
    (exchange,) = sink.exchanges
    assert exchange.request_end == exchange.response_end == 20


messy = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([*REQUESTS, *RESPONSES, b"\r\n\r\n", CHUNKED_BODY, gzip.compress(b"x")]),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), messy), max_size=12))
def test_whatever_arrives_nothing_raises_and_every_request_ends_once(
    events: list[tuple[int, bytes]],
) -> None:
    following, sink = connection()
    for time, (kind, data) in enumerate(events):
        match kind:
            case 0:
                following.request_bytes(data, time)
            case 1:
                following.response_bytes(data, time)
            case 2:
                following.resync()
            case _:
                following.close()
                following.forget()
    following.close()
    ended = [*sink.exchanges, *sink.forgotten]
    assert len({id(exchange) for exchange in ended}) == len(ended) == sink.begun
    for exchange in ended:
        sink.bodies.release(exchange.request)
        sink.bodies.release(exchange.response)
    assert sink.bodies.kept == 0


def test_bodies_are_dropped_when_they_become_too_large() -> None:
    keeper = BodyKeeper()
    body = Body(wanted=True)
    for _ in range(5):
        keeper.keep(body, bytes(1024 * 1024))
    assert body.too_large
    assert body.content() == b""
    assert keeper.kept == 0


def test_all_bodies_together_have_a_limit() -> None:
    keeper = BodyKeeper()
    bodies = [Body(wanted=True) for _ in range(20)]
    for body in bodies:
        for _ in range(3):
            keeper.keep(body, bytes(1024 * 1024))
    assert keeper.kept <= 32 * 1024 * 1024
    assert [body.too_large for body in bodies].count(True) == 10


def test_responses_to_head_have_no_body_wherever_they_are_in_a_read() -> None:
    following, sink = connection()
    get, head = REQUESTS[2], REQUESTS[3]
    following.request_bytes(get + head + head + get, 10)
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    following.response_bytes(announced + b"ok" + announced + announced + announced + b"ok", 20)
    assert [exchange.method for exchange in sink.exchanges] == [b"GET", b"HEAD", b"HEAD", b"GET"]
    assert [exchange.response.content() for exchange in sink.exchanges] == [b"ok", b"", b"", b"ok"]


def test_a_stream_of_events_has_the_times_of_its_parts() -> None:
    following, sink = connection()
    following.request_bytes(REQUESTS[0], 10)
    following.response_bytes(
        b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        20,
    )
    following.response_bytes(b"9\r\ndata: a\n\n\r\n", 30)
    following.response_bytes(b"9\r\ndata: b\n\n\r\n0\r\nX-Trailer: t\r\n\r\n", 40)
    (exchange,) = sink.exchanges
    assert exchange.response.content() == b"data: a\n\ndata: b\n\n"
    assert exchange.response.times == [(0, 30), (9, 40)]
    assert (exchange.request_end, exchange.first_byte, exchange.response_end) == (10, 20, 40)


def test_only_so_many_parts_of_a_stream_have_times() -> None:
    keeper = BodyKeeper()
    body = Body(wanted=True, timed=True)
    for number in range(3 * MAX_TIMES):
        keeper.keep(body, b"ab", number)
    assert body.times == [(2 * number, number) for number in range(MAX_TIMES)]
    assert body.content() == b"ab" * 3 * MAX_TIMES
    assert len(body.parts) == SEPARATE_PARTS
    assert keeper.kept == 6 * MAX_TIMES + TIME_BYTES * MAX_TIMES
    keeper.release(body)
    assert keeper.kept == 0


def test_a_request_that_was_answered_early_keeps_nothing_of_what_it_still_sends() -> None:
    following, sink = connection()
    following.request_bytes(REQUEST + b"Content-Length: 500\r\n\r\n", 10)
    following.response_bytes(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 20)
    (exchange,) = sink.exchanges
    sink.bodies.release(exchange.request)
    following.request_bytes(bytes(500) + REQUESTS[2], 30)
    following.response_bytes(RESPONSES[2], 40)
    assert [exchange.code for exchange in sink.exchanges] == ["413", "204"]
    assert sink.bodies.kept == 0


@pytest.mark.parametrize(
    "begun",
    [
        REQUEST + b"X: " + b"y" * MAX_HEAD,
        REQUEST + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: m\r\nNo colon\r\n",
        b"BREW /pot HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * MAX_LINE,
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * (MAX_HEAD // 6 + 1),
    ],
)
def test_what_is_no_request_or_too_large_a_one_makes_the_connection_unreadable(
    begun: bytes,
) -> None:
    following, sink = connection()
    following.request_bytes(begun, 10)
    assert not following.readable
    assert sink.unread_bytes == len(begun)


def test_heads_mean_the_same_whether_or_not_they_are_remembered() -> None:
    following, sink = connection()
    numbers = [number for number in range(MAX_REMEMBERED + 9) for _ in range(3)]
    for number in numbers:
        following.request_bytes(
            b"GET /%d HTTP/1.1\r\nX-Request-ID: %d\r\n\r\n" % (number, -number), 1
        )
        following.response_bytes(
            b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % (400 + number % 99), 2
        )
    assert [
        (exchange.path, exchange.headers[b"x-request-id"], exchange.status)
        for exchange in sink.exchanges
    ] == [(b"/%d" % number, b"%d" % -number, 400 + number % 99) for number in numbers]


def test_the_end_of_a_tunnel_s_head_is_the_end_of_http() -> None:
    following, sink = connection()
    following.request_bytes(b"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n", 10)
    following.response_bytes(b"HTTP/1.1 200 OK\r\n\r\n\x00\x00", 20)
    following.request_bytes(b"\x00\x01", 30)
    assert [exchange.code for exchange in sink.exchanges] == ["200"]
    assert following.readable


def test_what_says_too_much_before_anybody_asks_is_unreadable() -> None:
    following, sink = connection()
    for _ in range(3):
        following.response_bytes(bytes(MAX_HEAD // 2), 10)
    assert not following.readable
    assert sink.unread_bytes == 3 * (MAX_HEAD // 2)


class Heard:
    """What httptools makes of a whole stream: the oracle."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, dict[bytes, bytes], bytes]] = []
        self._url, self._body = b"", b""
        self._headers: dict[bytes, bytes] = {}

    def on_message_begin(self) -> None:
        self._url, self._body, self._headers = b"", b"", {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._body and name.lower() in KEPT_HEADERS:
            self._headers[name.lower()] = value.strip(b" \t")

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self.messages.append((self._url, self._headers, self._body))


token = st.text("abcXYZ019-", min_size=1, max_size=8).map(str.encode)
header = st.tuples(
    st.one_of(
        token.map(b"x-".__add__),
        st.sampled_from([b"Content-Type", b"content-type", b"X-Request-ID", b"X-Content-Type"]),
    ),
    st.one_of(token, st.sampled_from([b"", b" spaced  out ", b"\xc3\xa9", b"a\tb"])),
)
body_of = st.binary(max_size=40)


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """Return headers and a body, framed by length, in chunks, or absent."""
    lines = b"".join(b"%s: %s\r\n" % pair for pair in draw(st.lists(header, max_size=4)))
    kind = draw(st.sampled_from(["none", "length", "chunks", "codings"]))
    body = draw(body_of)
    if kind == "none":
        return lines + b"\r\n"
    if kind == "length":
        spaces = draw(st.sampled_from([b"", b" ", b"\t "]))
        return lines + b"content-length:%s%d%s\r\n\r\n" % (spaces, len(body), spaces) + body
    coding = b"chunked" if kind == "chunks" else b"gzip, Chunked"
    chunks = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a=b", b';q="x"']))
        number = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % size
        chunks += number + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    trailer = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
    return (
        lines
        + b"Transfer-Encoding: "
        + coding
        + b"\r\n\r\n"
        + chunks
        + b"0\r\n"
        + trailer
        + (b"\r\n")
    )


requests = st.builds(
    lambda line, rest: line + rest,
    st.sampled_from(
        [b"POST /a?b=c HTTP/1.1\r\n", b"PUT /%20 HTTP/1.1\r\n", b"\r\nGET http://m/x HTTP/1.1\r\n"]
    ),
    framed(),
)


@settings(deadline=None)
@given(st.lists(requests, min_size=1, max_size=5), st.integers(0, 10_000))
def test_requests_are_what_httptools_says_they_are(sent: list[bytes], seed: int) -> None:
    whole = b"".join(sent)
    heard = Heard()
    HttpRequestParser(heard).feed_data(whole)
    following, sink = connection()
    for piece in pieces(whole, random.Random(seed)):
        following.request_bytes(piece, 10)
    following.response_bytes(b"HTTP/1.1 204 No Content\r\n\r\n" * len(sent), 20)
    assert [
        (exchange.path, exchange.headers, exchange.request.content()) for exchange in sink.exchanges
    ] == [(url.partition(b"?")[0], headers, body) for url, headers, body in heard.messages]


responses = st.builds(
    lambda line, rest: line + rest,
    st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 \r\n", b"HTTP/1.1 503 No\r\n"]),
    framed().filter(lambda rest: b"ength:" in rest or b"Encoding" in rest),
)


@settings(deadline=None)
@given(st.lists(responses, min_size=1, max_size=5), st.integers(0, 10_000))
def test_responses_are_what_httptools_says_they_are(sent: list[bytes], seed: int) -> None:
    whole = b"".join(sent)
    heard = Heard()
    HttpResponseParser(heard).feed_data(whole)
    following, sink = connection()
    following.request_bytes(b"GET / HTTP/1.1\r\n\r\n" * len(sent), 10)
    for piece in pieces(whole, random.Random(seed)):
        following.response_bytes(piece, 20)
    assert [
        (exchange.response_headers, exchange.response.content()) for exchange in sink.exchanges
    ] == [(headers, body) for _, headers, body in heard.messages]
