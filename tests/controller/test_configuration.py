"""What collectors are told to count, and by which key they name what they must not tell."""

import base64
from typing import Any

import numpy as np

from modelmonitor.controller.gateways.keys import hash_key
from modelmonitor.controller.reconcile.baseline import (
    Loaded,
    configuration_for,
    missing_columns,
)
from modelmonitor.core.baseline.profile import DerivedFrom, digest
from modelmonitor.core.baseline.profile_additions import with_derived, with_moments
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.counting.derivation import Derivation
from modelmonitor.core.wire.configuration import CollectorConfiguration, JSONPaths, RowChecks
from tests.core.monitoring import drift, spec_of

ROOT, OTHER_ROOT = bytes(range(32)), bytes(32)


def pushed(**collection: Any) -> CollectorConfiguration:
    """Return what is pushed for a monitor with a baseline."""
    ports = {"ports": [{"name": "http"}], **collection}
    texts = [f"note {number}" for number in range(2000)]
    profile = build_profile({"x": np.arange(2000) % 50, "note": texts, "city": ["Rome"] * 2000})
    loaded = Loaded(profile, digest(profile))
    return configuration_for(spec_of(drift(), collection=ports), "uid-1", 60.0, loaded, "a2V5")


def test_protocols_and_paths_of_every_port_are_told() -> None:
    paths = {"rows": "/data/rows", "results": "/out"}
    told = pushed(
        ports=[
            {"name": "http", "protocol": "JSON", "jsonPaths": paths},
            {"name": "chat", "protocol": "OpenAI"},
            {"name": "grpc"},
        ]
    )
    assert told.protocols == {"http": "JSON", "chat": "OpenAI", "grpc": "Auto"}
    assert told.paths == {"http": JSONPaths(rows="/data/rows", results="/out")}


def test_columns_carry_the_cells_of_the_baseline_and_lengths_of_text() -> None:
    numbers, note, city = pushed().columns
    assert len(numbers.cuts) > 20
    assert note.cuts == [6.0, 7.0, 8.0, 9.0]
    assert city.categories == ["Rome"]


def test_what_may_be_told_is_told_with_the_key_for_the_rest() -> None:
    told = pushed(reveal=["city"])
    assert (told.reveal, told.hashKey) == (["city"], "a2V5")
    assert pushed().reveal == []


def test_keys_are_the_same_after_a_restart_and_differ_between_monitors() -> None:
    key = hash_key(ROOT, "uid-1")
    assert key == hash_key(ROOT, "uid-1")
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert len({key, hash_key(ROOT, "uid-2"), hash_key(OTHER_ROOT, "uid-1")}) == 3
    assert ROOT not in base64.urlsafe_b64decode(key)


def with_length() -> Loaded:
    """Return a baseline with a derived column and joint moments."""
    table = {
        "note": [f"note {number}" for number in range(2000)],
        "x": np.arange(2000.0),
        "y": np.sin(np.arange(2000.0)),
    }
    derived = {"length": DerivedFrom(source="note", derivation=Derivation.TEXT_LENGTH)}
    profile = with_derived(build_profile(table), table, derived, None)
    profile = with_moments(profile, table, [], [])
    return Loaded(profile, digest(profile))


DECLARED = {"name": "length", "from": "note", "as": "TextLength"}
CORRELATION = {
    "type": "Multivariate",
    "multivariate": {"statistic": "CorrelationChange"},
    "threshold": {"operator": "GreaterThan", "critical": "0.3"},
}


def test_derived_columns_are_computed_where_the_monitor_declares_them() -> None:
    loaded = with_length()
    for declared, names in (([], ["note", "x", "y"]), ([DECLARED], ["note", "x", "y", "length"])):
        collection = {"ports": [{"name": "http"}], "derived": declared}
        spec = spec_of(drift(), collection=collection)
        assert missing_columns(spec, loaded.profile) == ""
        told = configuration_for(spec, "uid-1", 60.0, loaded, "a2V5")
        assert [column.name for column in told.columns] == names


def test_a_derived_column_that_the_baseline_lacks_is_told_with_its_command() -> None:
    collection = {"ports": [{"name": "http"}], "derived": [{**DECLARED, "as": "TokenCount"}]}
    told = missing_columns(spec_of(drift(), collection=collection), with_length().profile)
    assert "--derive length=TokenCount:note" in told


def test_rows_are_multiplied_where_a_metric_looks_at_them() -> None:
    loaded = with_length()
    for metric, views in ((drift(), []), (CORRELATION, [["x", "y"]])):
        told = configuration_for(spec_of(metric), "uid-1", 60.0, loaded, "a2V5")
        assert [view.columns for view in told.moments] == views


def metric(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "threshold": {"operator": "GreaterThan", "critical": "7.5"}, **more}


def test_collectors_are_told_what_metrics_ask_for_beside_cells() -> None:
    loaded = with_length()
    told = configuration_for(spec_of(drift()), "uid-1", 60.0, loaded, "a2V5")
    assert told.checks == RowChecks()
    assert not any(column.marks for column in told.columns)
    statistics = [
        {"column": "x", "of": "ShareAbove", "value": "3"},
        {"column": "x", "of": "Quantile", "quantile": "0.9"},
        {"column": "y", "of": "Mean"},
    ]
    share = {"operator": "GreaterThan", "critical": "0.5"}
    inputs = {"columns": {"group": "Inputs"}}
    spec = spec_of(
        *(metric(f"s{n}", type="Statistic", statistic=each) for n, each in enumerate(statistics)),
        metric("schema", type="DataQuality", dataQuality={"check": "SchemaChanges"}),
        metric("same", type="DataQuality", dataQuality={"check": "ConstantColumns", **inputs}),
        metric(
            "again",
            type="DataQuality",
            dataQuality={"check": "DistinctRatio", "columns": {"names": ["y"]}},
            threshold=share,
        ),
        metric(
            "twice", type="DataQuality", dataQuality={"check": "DuplicateRatio"}, threshold=share
        ),
    )
    told = configuration_for(spec, "uid-1", 60.0, loaded, "a2V5")
    inputs_ = [column.name for column in loaded.profile.inputs]
    assert told.checks == RowChecks(distinct=["y"], alike=inputs_, duplicates=True, names=True)
    assert {column.name: column.marks for column in told.columns if column.marks} == {
        "x": [3.0, 7.5]
    }


def test_joint_moments_that_the_baseline_lacks_are_told_with_their_command() -> None:
    profile = build_profile({"x": np.arange(2000.0)})
    assert "--correlations all" in missing_columns(spec_of(CORRELATION), profile)
