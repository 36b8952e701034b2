"""HTTP/2 in the splice: where frames begin, what may be left out, what a reader must know."""

import struct
from collections.abc import Sequence
from functools import partial

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmonitor.collector.handover import HTTP2_PREFACE
from modelmonitor.collector.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PUSH_PROMISE,
    SETTINGS,
    WITH_PRIORITY,
    MalformedBlockError,
)
from modelmonitor.collector.splice.compression import MAX_KEPT, CompressionTable, Memory
from modelmonitor.collector.splice.frames import (
    Direction,
    NoFramesError,
    begins_http2,
    begins_with_settings,
)
from tests.collector.http2 import Frame, as_text, frame, frames_of

Headers = list[tuple[str, str]]

names = st.sampled_from(["grpc-timeout", "x-request-id", "te", ":path", "content-type", "a" * 300])
values = st.one_of(st.sampled_from(["1S", "trailers", "/m/p"]), st.text("abcXYZ09~{", max_size=90))
heads = st.lists(st.tuples(names, values), min_size=1, max_size=8)


@given(
    blocks=st.lists(heads, min_size=1, max_size=60),
    sizes=st.lists(st.sampled_from([0, 60, 200, 4096, 9000]), max_size=60),
    huffman=st.booleans(),
    joins=st.integers(0, 59),
)
@settings(max_examples=150, deadline=None)
def test_a_reader_that_begins_late_decodes_what_the_first_one_does(
    blocks: Sequence[Headers], sizes: Sequence[int], huffman: bool, joins: int
) -> None:
    encoder, table = hpack.Encoder(), CompressionTable(Memory())
    reader, late = hpack.Decoder(), hpack.Decoder()
    reader.max_allowed_table_size = late.max_allowed_table_size = 1 << 20
    for number, block in enumerate(blocks):
        if number < len(sizes):
            encoder.header_table_size = sizes[number]
        encoded = encoder.encode(block, huffman=huffman)
        if number == joins:
            for replayed in table.replay():
                late.decode(replayed)
        table.read(encoded)
        decoded = reader.decode(encoded)
        if number >= joins:
            assert late.decode(encoded) == decoded


def test_a_table_is_bounded_and_not_known_beyond() -> None:
    memory = Memory()
    encoder, table = hpack.Encoder(), CompressionTable(memory)
    encoder.header_table_size = 1 << 20
    number = 0
    while table.known:
        table.read(encoder.encode([(f"name-{number}", "v" * 200)]))
        assert memory.used <= MAX_KEPT
        number += 1
        assert number < 1000
    assert memory.used == 0


def test_many_values_of_one_name_do_not_fill_a_table() -> None:
    """As traced callers do: each request has another identity."""
    memory = Memory()
    encoder, table = hpack.Encoder(), CompressionTable(memory)
    for number in range(5000):
        table.read(encoder.encode([(":path", "/p"), ("traceparent", f"00-{number:032x}-01")]))
    assert table.known
    assert memory.used < MAX_KEPT


def test_what_is_given_back_is_counted() -> None:
    memory = Memory()
    table = CompressionTable(memory)
    table.read(hpack.Encoder().encode([("a", "b"), ("c", "d")]))
    assert memory.used > 0
    table.release()
    assert memory.used == 0


@pytest.mark.parametrize(
    "block",
    [b"\x40", b"\x40\x05ab", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x7e\x01a", b"\x00\x01a"],
)
def test_what_is_no_header_block_is_refused(block: bytes) -> None:
    with pytest.raises(MalformedBlockError):
        CompressionTable(Memory()).read(block)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_block_or_refused(block: bytes) -> None:
    try:
        CompressionTable(Memory()).read(block)
    except MalformedBlockError:
        return


def test_the_first_bytes_tell() -> None:
    assert begins_http2(HTTP2_PREFACE)
    assert begins_http2(HTTP2_PREFACE + frame(SETTINGS))
    assert begins_http2(HTTP2_PREFACE[:10])
    assert not begins_http2(b"P")
    assert not begins_http2(b"POST / HTTP/1.1\r\n")
    assert begins_with_settings(frame(SETTINGS, payload=bytes(12)))
    assert not begins_with_settings(b"220 ready\r\n")
    assert not begins_with_settings(b"\0\0")


# ------------------------------------------------------------------------------------ directions
streams = st.sampled_from([1, 3, 5])
payloads = st.one_of(st.binary(max_size=40), st.integers(0, 700).map(bytes))


@st.composite
def messages(draw: st.DrawFn) -> list[Frame]:
    """Draw frames as they may follow each other."""
    encoder = draw(st.builds(hpack.Encoder))
    found: list[Frame] = []
    for _ in range(draw(st.integers(0, 12))):
        stream = draw(streams)
        kind = draw(st.sampled_from([DATA, DATA, HEADERS, SETTINGS, 3, 6, 8, 0x77]))
        if kind == DATA:
            found.append(
                Frame(DATA, draw(st.sampled_from([0, END_STREAM])), stream, draw(payloads))
            )
        elif kind == HEADERS:
            found += head_frames(draw, encoder.encode(draw(heads)), stream)
        else:
            size = {SETTINGS: 12, 3: 4, 6: 8, 8: 4}.get(kind, 11)
            found.append(Frame(kind, 0, 0 if kind in {SETTINGS, 6} else stream, bytes(size)))
    return found


def head_frames(draw: st.DrawFn, block: bytes, stream: int) -> list[Frame]:
    """Cut a header block into frames; pad the first."""
    cut = draw(st.integers(0, len(block)))
    flags = draw(st.sampled_from([0, PADDED, WITH_PRIORITY, PADDED | WITH_PRIORITY])) | draw(
        st.sampled_from([0, END_STREAM])
    )
    first = block[:cut]
    if flags & WITH_PRIORITY:
        first = b"\0\0\0\0\x10" + first
    if flags & PADDED:
        first = b"\x03" + first + bytes(3)
    if cut == len(block):
        return [Frame(HEADERS, flags | END_HEADERS, stream, first)]
    return [
        Frame(HEADERS, flags, stream, first),
        Frame(CONTINUATION, END_HEADERS, stream, block[cut:]),
    ]


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [piece for piece in [*pieces, data[at:]] if piece]


sizes = st.lists(st.integers(1, 60), max_size=60)


@given(sent=messages(), sizes=sizes, lean=st.lists(st.booleans(), min_size=61, max_size=61))
@settings(max_examples=300, deadline=None)
def test_only_bodies_are_left_out_and_every_end_is_there(
    sent: list[Frame], sizes: Sequence[int], lean: Sequence[bool]
) -> None:
    direction = Direction(Memory())
    copied, incomplete, withheld = b"", set[int](), 0
    for piece, leave_out in zip(cut(b"".join(map(Frame.encode, sent)), sizes), lean, strict=False):
        if leave_out or direction.thinning:
            kept, streams = direction.thin(piece, leave_out=leave_out)
            incomplete |= streams
        else:
            direction.walk(piece)
            kept = piece
        assert len(kept) + direction.withheld <= len(piece) + withheld
        withheld = direction.withheld
        copied += kept
    if direction.thinning:
        copied += direction.thin(b"", leave_out=False)[0]
    assert direction.aligned
    assert direction.withheld == 0
    expected = iter(sent)
    for found in frames_of(copied):
        original = next(expected)
        while original != found:
            assert original.kind == DATA
            assert original.stream in incomplete
            if found.kind == DATA and not found.payload and original.flags:
                assert (found.stream, found.flags) == (original.stream, END_STREAM)
                break
            assert not original.flags, "a frame that ends its stream is never missing"
            original = next(expected)
    for original in expected:
        assert original.kind == DATA
        assert not original.flags
        assert original.stream in incomplete


@given(sent=messages(), sizes=sizes, begin=st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_a_reader_may_join_at_a_frame_and_knows_all_it_needs(
    sent: list[Frame], sizes: Sequence[int], begin: int
) -> None:
    direction = Direction(Memory())
    reader, late = hpack.Decoder(), hpack.Decoder()
    whole = b"".join(map(Frame.encode, sent))
    copied: bytes | None = None
    for number, piece in enumerate(cut(whole, sizes)):
        if copied is not None:
            direction.walk(piece)
            copied += piece
        elif number < begin:
            direction.walk(piece)
        elif (start := direction.align(piece)) is not None:
            for past in frames_of(direction.join()):
                late.decode(past.payload)
            copied = piece[start:]
            direction.walk(copied)
    if copied is None:
        return
    assert whole.endswith(copied)
    joined = blocks_of(frames_of(copied))
    everything = [reader.decode(block) for block in blocks_of(sent)]
    assert [late.decode(block) for block in joined] == everything[len(everything) - len(joined) :]


def blocks_of(found: Sequence[Frame]) -> list[bytes]:
    """Return the header blocks of frames."""
    blocks: list[bytes] = []
    for each in found:
        if each.kind == HEADERS:
            payload = each.payload
            if each.flags & PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            blocks.append(payload[5:] if each.flags & WITH_PRIORITY else payload)
        elif each.kind == CONTINUATION:
            blocks[-1] += each.payload
    return blocks


@pytest.mark.parametrize(
    "nonsense",
    [
        frame(DATA, stream=0, payload=b"x"),
        frame(HEADERS, END_HEADERS, stream=0, payload=b"\x82"),
        frame(HEADERS, END_HEADERS | PADDED, stream=1, payload=b"\x09\x82"),
        frame(HEADERS, END_HEADERS | PADDED, stream=1),
        frame(HEADERS, END_HEADERS, stream=1, payload=b"\x40\x7f"),
        frame(HEADERS, 0, stream=1, payload=b"\x82") + frame(DATA, stream=1),
        frame(CONTINUATION, END_HEADERS, stream=1),
        frame(SETTINGS, payload=bytes(5)),
        frame(8, stream=1, payload=bytes(5)),
        struct.pack(">IBI", 0xFFFFFF << 8 | HEADERS, 0, 1) + b"\x82",
        frame(HEADERS, 0, stream=1, payload=b"\x82")
        + frame(CONTINUATION, 0, stream=1, payload=bytes(65_536)) * 4,
    ],
)
@pytest.mark.parametrize("thin", [True, False])
def test_frames_that_make_no_sense_are_refused(nonsense: bytes, thin: bool) -> None:
    direction = Direction(Memory())
    follow = partial(direction.thin, leave_out=False) if thin else direction.walk
    with pytest.raises(NoFramesError):
        follow(nonsense)


@given(st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=20))
def test_any_bytes_are_followed_or_refused(pieces: list[tuple[bytes, bool]]) -> None:
    direction = Direction(Memory())
    for piece, lean in pieces:
        try:
            if lean or direction.thinning:
                direction.thin(piece, leave_out=lean)
            else:
                direction.walk(piece)
        except NoFramesError:
            return


def test_a_promise_is_a_header_block_too() -> None:
    encoder, direction = hpack.Encoder(), Direction(Memory())
    promised = encoder.encode([("promised", "value")])
    direction.walk(frame(PUSH_PROMISE, END_HEADERS, stream=1, payload=bytes(4) + promised))
    late = hpack.Decoder()
    for past in frames_of(direction.join()):
        late.decode(past.payload)
    decoded = late.decode(encoder.encode([("promised", "value")]))
    assert as_text(decoded) == [("promised", "value")]
