"""The bytes of every joint, as they are on the wire: a change here breaks running pods."""

from collections.abc import Callable

import msgspec

from modelmonitor.collector.handover import (
    Kind,
    Record,
    Splitter,
    Statistics,
    encode_record,
    encode_statistics,
)
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole, OutputLocator
from modelmonitor.core.wire import configuration as wire_configuration
from modelmonitor.core.wire import pane as wire_pane
from modelmonitor.core.wire import tokens

Golden = Callable[[str, bytes], None]

ROOT_KEY = bytes(range(32))
LEAF_KEY = bytes(range(32, 64))
NOW = 1_800_000_000.0

PANE = wire_pane.Pane(
    monitorUID="5d1f9c1e-0000-4000-8000-000000000001",
    podUID="5d1f9c1e-0000-4000-8000-000000000002",
    bootID="9f86d081884c7d65",
    seq=7,
    start=NOW,
    end=NOW + 60.0,
    interval=60.0,
    final=True,
    configDigest="sha256:c0",
    baselineDigest="sha256:ba",
    model="flight-delay",
    modelVersion="v1",
    revision="6d4f9c7b8d",
    forwardedBytes=4096,
    copiedBytes=4000,
    droppedBytes=96,
    observerGapSeconds=0.25,
    requests=wire_pane.RequestCounts(
        seen=6,
        decoded=2,
        sampled=3,
        undecodable={"RequestNotJSON": 1},
        codes={"200": 4, "none": 1, "grpc-14": 1},
        protocols={"http/OpenInference": 1, "http/OpenAI": 1},
    ),
    latency={
        wire_pane.LATENCY_RESPONSE: wire_pane.LatencyCounts(
            buckets={-151: 3, -100: 1}, count=4, total=0.289
        ),
        wire_pane.LATENCY_FIRST_BYTE: wire_pane.LatencyCounts(
            buckets={-160: 4}, count=4, total=0.168
        ),
        wire_pane.LATENCY_FIRST_TOKEN: wire_pane.LatencyCounts(
            buckets={-70: 1}, count=1, total=0.25
        ),
    },
    columns={
        "temp": wire_pane.ColumnCounts(
            rows=6, missing=1, mismatched=1, infinite=1, below=1, above=1, cells=[1, 2, 1],
            total=30.5, squares=500.25, sketch=b"\x01\x02",
        ),
        "carrier": wire_pane.ColumnCounts(
            rows=6, unknown=1, cells=[3, 2, 1], novel={"#0b3f2a5c9d81": 1}
        ),
        "note": wire_pane.ColumnCounts(
            rows=6, above=1, cells=[0, 5, 1], total=90.0, squares=1400.0, distinct=b"\x03\x04"
        ),
    },
    generation=wire_pane.GenerationCounts(
        requests=1,
        streamed=1,
        uncounted=0,
        promptTokens=12,
        completionTokens=34,
        finishReasons={"stop": 1},
    ),
)  # fmt: skip

CONFIGURATION = wire_configuration.CollectorConfiguration(
    monitorUID=PANE.monitorUID,
    interval=60.0,
    baselineDigest="sha256:ba",
    protocols={"http": "Auto", "api": "JSON"},
    paths={"api": wire_configuration.JSONPaths(rows="/data/rows", results="/predictions")},
    model="flight-delay",
    sampleRatio=0.5,
    columns=[
        wire_configuration.ColumnConfiguration(
            name="temp", kind=ColumnKind.NUMERIC, role=ColumnRole.INPUT, cuts=[-5.0, 10.0]
        ),
        wire_configuration.ColumnConfiguration(
            name="carrier",
            kind=ColumnKind.CATEGORICAL,
            role=ColumnRole.INPUT,
            categories=["UA", "B6"],
        ),
        wire_configuration.ColumnConfiguration(
            name="score",
            kind=ColumnKind.NUMERIC,
            role=ColumnRole.SCORE,
            locator=OutputLocator(output="predict_proba", index=1),
            cuts=[0.0, 1.0],
        ),
    ],
    reveal=["carrier"],
    hashKey="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
)

RECORDS = [
    Record(Kind.REQUEST, 1, 0, 1_000_000, b"POST / HTTP/1.1\r\n\r\n"),
    Record(Kind.RESPONSE, 1, 0, 1_050_000, b"HTTP/1.1 204 No Content\r\n\r\n"),
    Record(Kind.RESYNC, 2, 1, 1_060_000),
    Record(Kind.CLOSED, 1, 0, 1_070_000),
    Record(Kind.STATISTICS, 0, 0, 1_080_000, encode_statistics(Statistics(46, 40, 6))),
    Record(Kind.END, 0, 0, 2**40),
]


def test_golden_pane(golden: Golden) -> None:
    encoded = wire_pane.encode(PANE)
    golden("wire/pane.msgpack", encoded)
    golden("wire/pane.json", msgspec.json.format(msgspec.json.encode(PANE), indent=2) + b"\n")
    assert wire_pane.decode_pane(encoded) == PANE


def test_golden_reply_carries_panes_as_they_were_stored(golden: Golden) -> None:
    reply = wire_pane.PanesReply(
        now=NOW + 61.5,
        bootID=PANE.bootID,
        lost=2,
        configDigest="sha256:c0",
        pendingDigest="sha256:c1",
        draining=True,
    )
    encoded = wire_pane.encode_reply(reply, [wire_pane.encode(PANE)])
    golden("wire/reply.msgpack", encoded)
    assert wire_pane.decode_reply(encoded) == msgspec.structs.replace(reply, panes=[PANE])
    assert encoded == wire_pane.encode(msgspec.structs.replace(reply, panes=[PANE]))


def test_golden_configuration(golden: Golden) -> None:
    encoded = wire_configuration.encode_configuration(CONFIGURATION)
    golden("wire/configuration.json", encoded)
    digest = wire_configuration.configuration_digest(CONFIGURATION)
    golden("wire/configuration.digest", digest.encode())
    assert wire_configuration.decode_configuration(encoded) == CONFIGURATION


def test_golden_token(golden: Golden) -> None:
    leaf = tokens.issue_leaf(
        root_private_key=ROOT_KEY, leaf_private_key=LEAF_KEY, now=NOW, lifetime=86_400.0
    )
    token = tokens.issue_token(leaf, audience=PANE.podUID, scope=tokens.Scope.PANES, now=NOW)
    golden("wire/root.public", tokens.public_root_key(ROOT_KEY).encode())
    golden("wire/token.jwt", token.encode())


def test_golden_handover(golden: Golden) -> None:
    encoded = b"".join(encode_record(record) for record in RECORDS)
    golden("wire/handover.bin", encoded)
    assert Splitter().feed(encoded) == RECORDS


def test_unknown_keys_are_ignored_and_missing_ones_have_defaults() -> None:
    """What keeps a controller working beside collectors of a later and of an earlier version."""
    raw = msgspec.msgpack.decode(wire_pane.encode(PANE))
    raw["fromTheFuture"] = {"a": [1]}
    del raw["latency"]
    decoded = wire_pane.decode_pane(msgspec.msgpack.encode(raw))
    assert decoded == msgspec.structs.replace(PANE, latency={})
