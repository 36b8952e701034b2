"""HTTP/2 from bytes in any pieces to exchanges: streams, tables, what was left out; no raising."""

import random
import struct

import pytest
from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmonitor.collector import http2
from modelmonitor.collector.handover import HTTP2_PREFACE
from modelmonitor.collector.observer.compression import MAX_TABLE, BlockReader
from modelmonitor.collector.observer.frames import MAX_BLOCK
from modelmonitor.collector.observer.framing import Connection
from modelmonitor.collector.observer.headers import KEPT_HEADERS, UnreadableError
from modelmonitor.collector.observer.http2 import MAX_STREAMS
from tests.collector.test_framing import Recorded, connection, pieces
from tests.collector.wire2 import GRPC, INFER, End, data, frame, greeting, opening


def opened() -> tuple[Connection, Recorded, End, End]:
    following, sink = connection()
    following.request_bytes(opening(), 1)
    following.response_bytes(greeting(), 1)
    return following, sink, End(), End()


def test_a_call_is_one_exchange_with_bodies_times_and_the_status_of_its_trailers() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1), 10)
    following.request_bytes(data(1, b"\0\0\0\0\2as", ended=True), 20)
    following.response_bytes(model.response(1), 30)
    following.response_bytes(data(1, b"\0\0\0\0\1k"), 40)
    assert sink.exchanges == []
    following.response_bytes(model.trailers(1, 0), 50)
    (exchange,) = sink.exchanges
    assert (exchange.method, exchange.path) == (b"POST", INFER.encode())
    assert exchange.headers == {b"content-type": b"application/grpc"}
    assert exchange.response_headers == {b"content-type": b"application/grpc"}
    assert (exchange.code, exchange.succeeded) == ("grpc-0", True)
    assert exchange.request.content() == b"\0\0\0\0\2as"
    assert exchange.response.content() == b"\0\0\0\0\1k"
    times = (exchange.started, exchange.request_end, exchange.first_byte, exchange.response_end)
    assert times == (10, 20, 30, 50)


def test_a_path_is_kept_without_its_query() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1, "/v2/models/m/infer?secret=1", ended=True), 10)
    following.response_bytes(model.response(1, ended=True), 20)
    assert [exchange.path for exchange in sink.exchanges] == [b"/v2/models/m/infer"]
    assert [exchange.code for exchange in sink.exchanges] == ["200"]


def test_an_error_without_a_body_has_its_code() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1) + data(1, b"x", ended=True), 10)
    fields = [(":status", "200"), *GRPC[:1], ("grpc-status", "14"), ("grpc-message", "busy")]
    following.response_bytes(model.headers(1, fields, ended=True), 20)
    (exchange,) = sink.exchanges
    assert (exchange.code, exchange.succeeded) == ("grpc-14", False)


@pytest.mark.parametrize("said", ["99999999999999999999", "-1", "", "ok"])
def test_a_status_that_grpc_does_not_know_is_unknown(said: str) -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1, ended=True), 10)
    fields = [(":status", "200"), ("grpc-status", said)]
    following.response_bytes(model.headers(1, fields, ended=True), 20)
    assert [exchange.code for exchange in sink.exchanges] == ["grpc-2"]


def conversation(draw: random.Random) -> tuple[list[tuple[bool, bytes]], list[tuple[str, bytes]]]:
    """Return what both ends say in order, and the exchanges (code, request body) in that order."""
    client, model = End(), End()
    said = [(True, opening()), (False, greeting((1, 4096)))]
    calls = []
    for number in range(draw.randint(1, 6)):
        stream = 2 * number + 1
        body = draw.randbytes(draw.choice([0, 7, 300, 20_000]))
        code = draw.choice([0, 0, 5])
        asked = client.headers(
            stream,
            [(":method", "POST"), (":path", INFER), *GRPC, ("traceparent", draw.choice("ab") * 9)],
            padding=draw.choice([0, 3]),
            priority=draw.random() < 0.3,
            pieces=draw.choice([1, 1, 3]),
        )
        asked += frame(http2.PING, 0, 0, bytes(8)) + frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\1\0")
        half = len(body) // 2
        asked += data(stream, body[:half], padding=draw.choice([None, 0, 9]))
        asked += frame(200, 255, stream, b"an extension")
        asked += data(stream, body[half:], ended=True)
        answered = model.headers(stream, [(":status", "103")]) if draw.random() < 0.3 else b""
        answered += model.response(stream) + data(stream, body[::-1])
        answered += model.trailers(stream, code)
        said += [(True, asked), (False, answered)]
        calls.append((f"grpc-{code}", body))
    return said, calls


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_pieces_give_the_same_exchanges(seed: int) -> None:
    draw = random.Random(seed)
    said, calls = conversation(draw)
    following, sink = connection()
    time = 0
    times = []
    for requested, whole in said:
        for piece in pieces(whole, draw):
            time += 10
            if requested:
                following.request_bytes(piece, time)
            else:
                following.response_bytes(piece, time)
        times.append(time)
    following.close()
    assert [(exchange.code, exchange.request.content()) for exchange in sink.exchanges] == calls
    assert [exchange.response.content() for exchange in sink.exchanges] == [
        body[::-1] for _, body in calls
    ]
    assert [exchange.request_end for exchange in sink.exchanges] == times[2::2]
    assert [exchange.response_end for exchange in sink.exchanges] == times[3::2]
    assert (sink.forgotten, sink.unread_bytes) == ([], 0)


def test_streams_may_be_interleaved_and_end_in_any_order() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1) + client.request(3, "/v2/other"), 10)
    following.request_bytes(data(3, b"c", ended=True) + data(1, b"a", ended=True), 20)
    following.response_bytes(model.response(3) + model.response(1), 30)
    following.response_bytes(model.trailers(3) + model.trailers(1), 40)
    assert [exchange.request.content() for exchange in sink.exchanges] == [b"c", b"a"]
    assert [exchange.number for exchange in sink.exchanges] == [1, 0]


def test_a_streamed_answer_is_counted_once_at_its_end_with_the_times_of_its_parts() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1) + data(1, b"q", ended=True), 10)
    following.response_bytes(model.response(1), 20)
    for time in (30, 40, 50):
        following.response_bytes(data(1, b"part!"), time)
    assert sink.exchanges == []
    following.response_bytes(model.trailers(1), 60)
    (exchange,) = sink.exchanges
    assert exchange.response.times == [(0, 30), (5, 40), (10, 50)]


@pytest.mark.parametrize(
    ("code", "counted"), [(7, "grpc-14"), (8, "grpc-1"), (11, "grpc-8"), (2, "grpc-13")]
)
def test_a_call_that_is_reset_has_the_code_that_its_caller_is_told(code: int, counted: str) -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1) + data(1, b"q"), 10)
    following.response_bytes(model.response(1), 20)
    following.response_bytes(frame(http2.RST_STREAM, 0, 1, struct.pack(">I", code)), 30)
    (exchange,) = sink.exchanges
    assert (exchange.code, exchange.status, exchange.succeeded) == (counted, 0, False)


def test_a_request_that_is_not_grpc_and_reset_has_no_response() -> None:
    following, sink, client, _ = opened()
    asked = [(":method", "GET"), (":path", "/")]
    following.request_bytes(client.headers(1, asked, ended=True), 10)
    following.request_bytes(client.headers(3, asked), 10)
    for stream in (1, 3, 99):
        following.request_bytes(frame(http2.RST_STREAM, 0, stream, bytes(4)), 20)
    assert [exchange.code for exchange in sink.exchanges] == ["none"]
    assert len(sink.forgotten) == 1, "a request that was not complete is none"


def test_streams_above_the_last_of_a_goaway_get_no_response() -> None:
    following, sink, client, model = opened()
    for stream in (1, 3, 5):
        following.request_bytes(client.request(stream, ended=True), 10)
    goaway = frame(http2.GOAWAY, 0, 0, struct.pack(">II", 3, 0) + b"max age" * 30_000)
    for piece in (goaway[:12], goaway[12:100], goaway[100:]):
        following.response_bytes(piece, 20)
    assert [exchange.code for exchange in sink.exchanges] == ["none"]
    following.response_bytes(model.response(1, ended=True), 30)
    following.close()
    assert [exchange.code for exchange in sink.exchanges] == ["none", "200", "none"]


def test_an_upgrade_makes_the_request_stream_one() -> None:
    following, sink = connection()
    following.request_bytes(
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\nhi",
        10,
    )
    client, model = End(), End()
    switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    following.response_bytes(switching + greeting() + model.response(1), 20)
    following.request_bytes(opening() + client.request(3, ended=True), 30)
    following.response_bytes(data(1, b"ok", ended=True) + model.response(3, ended=True), 40)
    assert [exchange.code for exchange in sink.exchanges] == ["200", "200"]
    assert [exchange.number for exchange in sink.exchanges] == [0, 1]
    first = sink.exchanges[0]
    assert (first.request.content(), first.response.content()) == (b"hi", b"ok")
    assert (first.request_end, first.first_byte, first.response_end) == (10, 20, 40)


def test_bodies_that_were_left_out_are_incomplete_and_everything_else_is_known() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1) + data(1, b"part"), 10)
    following.skipped(struct.pack("<II", 1, 77), 20)
    following.request_bytes(data(1, b"", ended=True), 25)
    following.response_bytes(model.response(1), 30)
    following.response_bytes(data(1, b"answer") + model.trailers(1), 40)
    (exchange,) = sink.exchanges
    assert (exchange.code, exchange.request_end, exchange.response_end) == ("grpc-0", 25, 40)
    assert exchange.request.incomplete
    assert exchange.response.incomplete
    assert sink.bodies.kept == 0


def test_the_past_fills_the_tables_of_a_connection_that_is_followed_from_its_middle_on() -> None:
    client, model = End(), End()
    past_request, past_response = client.request(1), model.response(1)
    following, sink = connection()
    following.resync()
    following.past_request(past_request)
    following.past_response(past_response)
    following.response_bytes(model.trailers(1), 5)
    following.request_bytes(client.request(3, ended=True), 10)
    following.response_bytes(model.response(3) + model.trailers(3), 20)
    (exchange,) = sink.exchanges
    assert (exchange.path, exchange.code) == (INFER.encode(), "grpc-0")
    assert exchange.headers == {b"content-type": b"application/grpc"}


def test_without_its_past_a_call_is_counted_though_its_path_is_unknown() -> None:
    client, model = End(), End()
    client.request(1)
    model.response(1)
    following, sink = connection()
    following.resync()
    following.request_bytes(client.request(3) + data(3, b"q", ended=True), 10)
    following.response_bytes(model.response(3) + model.trailers(3), 20)
    (exchange,) = sink.exchanges
    assert (exchange.path, exchange.headers) == (b"", {})
    assert (exchange.method, exchange.code) == (b"POST", "grpc-0")
    assert sink.unread_bytes == 0


def test_a_known_connection_is_read_on_at_frames_after_bytes_were_lost() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1), 10)
    following.resync()
    following.past_request(b"")
    following.past_response(b"")
    asked = End().request(3, ended=True)
    following.request_bytes(asked[:3], 20)
    following.request_bytes(asked[3:], 20)
    following.response_bytes(model.response(3, ended=True), 30)
    assert [exchange.response_end for exchange in sink.exchanges] == [30]
    assert len(sink.forgotten) == 1


def test_a_connection_that_ends_leaves_calls_without_response() -> None:
    following, sink, client, model = opened()
    following.request_bytes(client.request(1, ended=True) + client.request(3), 10)
    following.response_bytes(model.response(1), 20)
    following.close()
    assert [exchange.code for exchange in sink.exchanges] == ["none"]
    assert len(sink.forgotten) == 1


def test_a_model_may_speak_first() -> None:
    following, sink = connection()
    client, model = End(), End()
    following.response_bytes(greeting(), 1)
    following.request_bytes(HTTP2_PREFACE[:5], 2)
    following.request_bytes(HTTP2_PREFACE[5:] + client.request(1, ended=True), 3)
    following.response_bytes(model.response(1, ended=True), 4)
    assert [exchange.code for exchange in sink.exchanges] == ["200"]


def test_tables_follow_the_sizes_that_their_senders_announce() -> None:
    following, sink, client, model = opened()
    numbers = range(1, 400, 2)
    for stream in numbers:
        client.encoder.header_table_size = 256 if stream % 3 else 8192
        fields = [(":method", "GET"), (":path", f"/{stream % 17}"), ("x-request-id", str(stream))]
        following.request_bytes(client.headers(stream, fields, ended=True), stream)
        following.response_bytes(model.response(stream, ended=True), stream)
    assert [exchange.path for exchange in sink.exchanges] == [b"/%d" % (n % 17) for n in numbers]
    assert [exchange.headers[b"x-request-id"] for exchange in sink.exchanges] == [
        b"%d" % number for number in numbers
    ]


def test_a_table_grows_no_larger_than_its_limit() -> None:
    client, reader = End(), BlockReader()
    client.encoder.header_table_size = 1 << 30
    for number in range(200):
        fields = [(f"x-{number}", "v" * 3000)]
        reader.read(client.encoder.encode(fields))
    assert 0 < reader.size <= MAX_TABLE


names = st.sampled_from(
    [":method", ":path", ":status", "content-type", "x-request-id", "traceparent", "cookie", "x"]
)
values = st.one_of(st.text("aZ09/ é~{", max_size=12), st.sampled_from(["200", "/x", "POST"]))
lists = st.lists(st.tuples(names, values, st.booleans()), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(lists, st.booleans(), st.sampled_from([None, 0, 100, 4096])), max_size=9))
def test_blocks_say_what_hpack_reads_in_them(
    blocks: list[tuple[list[tuple[str, str, bool]], bool, int | None]],
) -> None:
    encoder, oracle, reader = Encoder(), Decoder(), BlockReader()
    for fields, huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(
            [
                NeverIndexedHeaderTuple(name, value) if sensitive else HeaderTuple(name, value)
                for name, value, sensitive in fields
            ],
            huffman=huffman,
        )
        heard = {bytes(name): bytes(value) for name, value in oracle.decode(block, raw=True)}
        said = reader.read(block)
        assert said.method == heard.get(b":method", b"")
        assert said.path == heard.get(b":path", b"").partition(b"?")[0]
        assert said.status == (200 if heard.get(b":status") == b"200" else 0)
        assert said.headers.kept == {
            name: value for name, value in heard.items() if name in KEPT_HEADERS
        }


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_block_does_anything_but_say_something_or_be_unreadable(blocks: list[bytes]) -> None:
    reader = BlockReader()
    for block in blocks:
        try:
            fields = reader.read(block)
        except UnreadableError:
            continue
        assert fields.headers.kept.keys() <= KEPT_HEADERS


def test_too_many_open_streams_are_not_followed() -> None:
    following, sink, client, _ = opened()
    for number in range(MAX_STREAMS + 1):
        following.request_bytes(client.request(2 * number + 1), 10)
    assert not following.readable
    assert len(sink.forgotten) == MAX_STREAMS


BROKEN = [
    frame(http2.DATA, 0, 0, b"x"),
    frame(http2.HEADERS, http2.END_HEADERS, 1, b"\xff" * 30),
    frame(http2.HEADERS, http2.END_HEADERS, 1, b"\x00\xff\xff\xff\x7fshort"),
    frame(http2.HEADERS, 0, 1, b"\x82") + frame(http2.PING, 0, 0, bytes(8)),
    frame(http2.CONTINUATION, http2.END_HEADERS, 1, b"\x82"),
    frame(http2.HEADERS, http2.PADDED | http2.END_HEADERS, 1, b"\x50\x82"),
    frame(http2.DATA, http2.PADDED, 1, b"\x50x"),
    frame(http2.SETTINGS, 0, 3),
    frame(http2.PING, 0, 0, b"short"),
    frame(http2.HEADERS, 0, 1, bytes(20_000)) + frame(http2.CONTINUATION, 0, 1, bytes(20_000)),
    struct.pack(">I", MAX_BLOCK + 1)[1:] + struct.pack(">BBI", http2.HEADERS, 4, 1),
    frame(http2.PUSH_PROMISE, http2.END_HEADERS, 1, bytes(5)),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_breaks_the_protocol_makes_the_connection_unreadable(broken: bytes) -> None:
    following, sink, client, _ = opened()
    following.request_bytes(client.request(1), 10)
    following.request_bytes(broken, 20)
    assert not following.readable
    assert sink.unread_bytes == len(broken)
    assert len(sink.forgotten) == 1


noise = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([*BROKEN, opening(), greeting(), End().request(1), End().response(1)]),
    st.builds(
        frame,
        st.integers(0, 10),
        st.integers(0, 255),
        st.integers(0, 5),
        st.binary(max_size=40),
    ),
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), noise), max_size=25))
def test_whatever_arrives_nothing_raises_and_every_stream_ends_once(
    events: list[tuple[int, bytes]],
) -> None:
    following, sink = connection()
    following.request_bytes(HTTP2_PREFACE, 0)
    for time, (kind, payload) in enumerate(events, start=1):
        match kind:
            case 0 | 1 | 2:
                following.request_bytes(payload, time)
            case 3 | 4:
                following.response_bytes(payload, time)
            case 5:
                following.resync()
            case 6:
                following.past_request(payload)
            case 7:
                following.past_response(payload)
            case _:
                following.skipped(payload, time)
    following.close()
    ended = [*sink.exchanges, *sink.forgotten]
    assert len({id(exchange) for exchange in ended}) == len(ended) == sink.begun
    for exchange in ended:
        sink.bodies.release(exchange.request)
        sink.bodies.release(exchange.response)
    assert sink.bodies.kept == 0
