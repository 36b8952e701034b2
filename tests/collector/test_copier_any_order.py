"""Whatever order things happen in: what an observer is told of HTTP/2 can be read, and adds up."""

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import Callable, Sequence

import hpack
import pytest

from modelmonitor.collector.handover import (
    HTTP2_PREFACE,
    Kind,
    Record,
    Splitter,
    Statistics,
    decode_statistics,
)
from modelmonitor.collector.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    SETTINGS,
)
from modelmonitor.collector.splice.copier import COPY_OFF, COPY_ON, Copier, Flow
from tests.collector.harness import eventually_async
from tests.collector.http2 import Frame, frames_of
from tests.collector.test_frames import blocks_of

FILLER = b"POST / HTTP/1.1\r\n" + bytes(900_000)
LONGEST_HEAD = 4096
HTTP2 = 1
"""Number of the connection that is looked at."""

STEPS = ("observer", "none", "off", "on", "fill", "read")


class Reader:
    """An observer that keeps what it is told; what its predecessor was not told yet, it is now."""

    def __init__(self, copier: Copier, predecessor: "Reader | None" = None) -> None:
        if predecessor is not None:
            copier.end()
            predecessor.read()
        mine, self._stream = socket.socketpair()
        self._stream.setblocking(False)
        self._splitter = Splitter()
        self.records: list[Record] = []
        copier.attach(mine)

    def read(self) -> bool:
        """Read what is there; return whether that was the end."""
        try:
            while data := self._stream.recv(1 << 20):
                self.records += self._splitter.feed(data)
        except BlockingIOError:
            return any(record.kind == Kind.END for record in self.records)
        except ConnectionResetError:  # it had said something that the copier did not hear
            return True
        return True

    def say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.send(word)

    def close(self) -> None:
        self._stream.close()

    def statistics(self) -> Statistics:
        found = [
            decode_statistics(each.payload) for each in self.records if each.kind == Kind.STATISTICS
        ]
        return Statistics(*(sum(parts) for parts in zip((0, 0, 0), *found, strict=True)))


@pytest.mark.parametrize("seed", range(150))
def test_what_is_told_can_be_read(seed: int) -> None:
    choose = random.Random(seed)
    client, model = (spoken(choose, first) for first in (":path", ":status"))
    order = [
        (choose.choice((Kind.REQUEST, Kind.RESPONSE)), choose.randint(1, 250))
        if choose.random() < 0.85
        else (choose.choice(STEPS), 0)
        for _ in range(choose.randint(20, 160))
    ]
    asyncio.run(follow(client, model, order))


def spoken(choose: random.Random, first: str) -> list[Frame]:
    """Return what one end says: heads that fill its table, bodies, and frames of other kinds."""
    encoder = hpack.Encoder()
    found: list[Frame] = []
    for number in range(choose.randint(10, 60)):
        stream = choose.choice((1, 3, 5))
        kind = choose.choice((DATA, DATA, HEADERS, HEADERS, SETTINGS, 8))
        if kind == HEADERS:
            if choose.random() < 0.05:
                encoder.header_table_size = choose.choice((0, 128, 4096))
            fields = [(first, choose.choice("abc")), ("x", f"{number % choose.randint(1, 40)}")]
            found += cut_head(choose, encoder.encode(fields, huffman=bool(number % 2)), stream)
        elif kind == DATA:
            flags = choose.choice((0, END_STREAM))
            found.append(Frame(DATA, flags, stream, bytes(choose.randint(0, 400))))
        else:
            size = 12 if kind == SETTINGS else 4
            found.append(Frame(kind, 0, 0, bytes(size)))
    return found


def cut_head(choose: random.Random, block: bytes, stream: int) -> list[Frame]:
    if choose.random() < 0.7:
        return [Frame(HEADERS, END_HEADERS, stream, block)]
    cut = choose.randint(0, len(block))
    return [
        Frame(HEADERS, 0, stream, block[:cut]),
        Frame(CONTINUATION, END_HEADERS, stream, block[cut:]),
    ]


async def follow(
    client: list[Frame], model: list[Frame], order: Sequence[tuple[Kind | str, int]]
) -> None:
    copier = Copier(asyncio.get_running_loop())
    flow, filler = Flow(connection=HTTP2, port=0), Flow(connection=2, port=0)
    left = {
        Kind.REQUEST: HTTP2_PREFACE + b"".join(map(Frame.encode, client)),
        Kind.RESPONSE: b"".join(map(Frame.encode, model)),
    }
    readers = [Reader(copier)]
    happen: dict[str, Callable[[], object]] = {
        "observer": lambda: readers.append(Reader(copier, readers[-1])),
        "none": copier.detach,
        "fill": lambda: [copier.add(filler, Kind.REQUEST, FILLER) for _ in range(6)],
        "read": lambda: [reader.read() for reader in readers],
        "off": lambda: readers[-1].say(COPY_OFF),
        "on": lambda: readers[-1].say(COPY_ON),
    }
    for what, size in order:
        if isinstance(what, Kind):
            piece, left[what] = left[what][:size], left[what][size:]
            if piece:
                copier.add(flow, what, piece)
        else:
            happen[what]()
            await asyncio.sleep(0)
    for kind, rest in left.items():
        if rest:
            copier.add(flow, kind, rest)
    copier.closed(flow)
    last = Reader(copier, readers[-1])
    copier.end()
    await eventually_async(last.read, "the end")
    statistics = last.statistics()
    assert min(statistics) >= 0
    # A head that was not complete is reported as forwarded to one observer and dropped to another.
    assert abs(statistics.copied + statistics.dropped - statistics.forwarded) <= LONGEST_HEAD
    for reader in readers:
        reader.read()
        assert min(reader.statistics()) >= 0
        check(reader.records, Kind.REQUEST, client)
        check(reader.records, Kind.RESPONSE, model)
        reader.close()
    last.close()
    copier.detach()


def check(records: Sequence[Record], kind: Kind, sent: list[Frame]) -> None:
    """Read one direction; every header block has to be one that was sent, in order."""
    reference = hpack.Decoder()
    expected = iter([reference.decode(block) for block in blocks_of(sent)])
    past = Kind.PAST_REQUEST if kind is Kind.REQUEST else Kind.PAST_RESPONSE
    for decoder, content in parts(records, kind, past):
        for block in blocks_of(whole_blocks(frames_of(content))):
            decoded = decoder.decode(block)
            assert decoded in expected


def parts(records: Sequence[Record], kind: Kind, past: Kind) -> list[tuple[hpack.Decoder, bytes]]:
    """Return what was told without a gap, each with what its reader knew before."""
    found = [(hpack.Decoder(), b"")]
    for record in records:
        if record.connection != HTTP2:
            continue
        if record.kind == Kind.RESYNC:
            found.append((hpack.Decoder(), b""))
        elif record.kind == past:
            assert not found[-1][1], "what is past comes first"
            for each in frames_of(record.payload):
                found[-1][0].decode(each.payload)
        elif record.kind == kind:
            found[-1] = (found[-1][0], found[-1][1] + record.payload)
    decoder, begun = found[0]
    found[0] = (decoder, begun.removeprefix(HTTP2_PREFACE))
    return found


def whole_blocks(found: list[Frame]) -> list[Frame]:
    """Leave out a header block at the end whose continuation did not come any more."""
    if found and found[-1].kind == HEADERS and not found[-1].flags & END_HEADERS:
        return found[:-1]
    for before, each in itertools.pairwise(found):
        assert (each.kind == CONTINUATION) == (
            before.kind == HEADERS and not before.flags & END_HEADERS
        )
    return found
