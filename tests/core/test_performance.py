"""Estimated performance: what it equals, how well it is known, and when it is not estimated."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.core.baseline.performance_builder import with_performance
from modelmonitor.core.baseline.profile import ColumnRole, Profile, canonical, load_profile
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.counting.scores import ScoreCounter
from modelmonitor.core.judging.performance_scores import score_configuration
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from modelmonitor.core.wire.pane import Pane
from tests.core.monitoring import judge, rows_pane, spec_of, tick

Floats = NDArray[np.float64]
Table = dict[str, Any]
FLOWERS = ("lily", "rose", "tulip")


def loans(rows: int, seed: int, shift: float = 0.0, slope: float = 1.5) -> tuple[Table, Any]:
    """Return applications with the model's answers, and whether each was paid back."""
    draw = np.random.default_rng(seed)
    value = draw.normal(shift, 1, rows)
    true = draw.random(rows) < 1 / (1 + np.exp(-slope * value))
    score = 1 / (1 + np.exp(-2.0 * value - 0.2))  # too sure of itself, and biased
    return {"income": value, "paid": (score > 0.5).astype(int), "p": score}, true.astype(int)


def flowers(rows: int, seed: int, shares: Sequence[float] = (1, 1, 1)) -> tuple[Table, Any]:
    """Return flowers with the model's answers, and what they were."""
    draw = np.random.default_rng(seed)
    true = draw.choice(3, rows, p=np.array(shares) / sum(shares))
    logits = draw.normal(0, 1, (rows, 3)) + 1.5 * np.eye(3)[true]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(FLOWERS, object)
    table = {"petal": logits[:, 0], "kind": names[scores.argmax(axis=1)].tolist()}
    return table | {f"p_{name}": scores[:, i] for i, name in enumerate(FLOWERS)}, names[true]


def profile_of(
    table: Table, labels: Any, prediction: str, scores: Mapping[str, str], **more: Any
) -> Profile:
    """Return the profile of labelled rows."""
    outputs = [
        OutputColumn(column=prediction, role=ColumnRole.LABEL),
        *(OutputColumn(column=name, role=ColumnRole.SCORE) for name in scores),
    ]
    profile = build_profile(table, outputs=outputs)
    return with_performance(profile, table, prediction, labels, scores, more.get("times"))


@cache
def lender(rows: int = 20_000) -> Profile:
    return profile_of(*loans(rows, 1), "paid", {"p": ""})


@cache
def botanist(rows: int = 20_000) -> Profile:
    names = {f"p_{name}": name for name in FLOWERS}
    return profile_of(*flowers(rows, 1), "kind", names)


def scored_pane(profile: Profile, table: Table, number: int = 0, **fields: Any) -> Pane:
    """Return the pane of a collector that counts scores with predictions."""
    part = profile.performance
    assert part is not None
    counter = ScoreCounter(score_configuration(part))
    rows = len(table[part.prediction])
    counter.add(table[part.prediction], [table[each.column] for each in part.scored], rows)
    return rows_pane(profile, number, table, **{"scores": counter.counts(), **fields})


def metric(
    measure: str, operator: str = "LessThan", critical: str = "0.5", **more: Any
) -> dict[str, Any]:
    method = {"method": more.pop("method")} if "method" in more else {}
    return {
        "type": "EstimatedPerformance",
        "estimatedPerformance": {"measure": measure, **method},
        "threshold": {"operator": operator, "critical": critical},
        **more,
    }


def verdict(profile: Profile, asked: Mapping[str, Any], *panes: Pane) -> Verdict:
    return judge(spec_of(asked), [tick(0, *panes)], profile)


def auc(true: Any, score: Floats) -> float:
    """Return the area under the ROC curve by counting pairs."""
    own, others = np.sort(score[true == 1]), np.sort(score[true == 0])
    below = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
    return float(below.sum() / 2 / own.size / others.size)


def realised(measure: str, true: Any, predicted: Any, score: Floats) -> float:
    hit = float(((true == 1) & (predicted == 1)).sum())
    match measure:
        case "Accuracy":
            return float((true == predicted).mean())
        case "Precision":
            return hit / float(predicted.sum())
        case "Recall":
            return hit / float(true.sum())
        case "F1":
            return 2 * hit / float(predicted.sum() + true.sum())
        case _:
            return auc(true, score)


BINARY = ["Accuracy", "Precision", "Recall", "F1", "ROCAUC"]


@pytest.mark.parametrize("shift", [0.0, 0.8], ids=["as before", "other inputs"])
@pytest.mark.parametrize("measure", BINARY)
def test_the_estimate_is_near_what_labels_would_say(measure: str, shift: float) -> None:
    table, true = loans(20_000, 2, shift)
    found = verdict(lender(), metric(measure), scored_pane(lender(), table))
    assert found.value == pytest.approx(
        realised(measure, true, table["paid"], table["p"]), abs=0.015
    )
    assert found.samples == 20_000


@pytest.mark.parametrize("measure", BINARY)
def test_95_of_100_intervals_hold_what_labels_say(measure: str) -> None:
    held = []
    for seed in range(60):
        profile = profile_of(*loans(3000, 100 + seed), "paid", {"p": ""})
        table, true = loans(1000, 200 + seed, 0.4)
        found = verdict(profile, metric(measure), scored_pane(profile, table))
        low, high = interval(found)
        held.append(low <= realised(measure, true, table["paid"], table["p"]) <= high)
    assert np.mean(held) >= 0.88


def interval(found: Verdict) -> tuple[float, float]:
    """Return the ends that a message tells."""
    low, _, high = found.message.split("interval ")[1].split(")")[0].partition(" to ")
    return float(low), float(high)


def test_the_message_says_what_it_assumes() -> None:
    table, _ = loans(12_000, 2)
    found = verdict(lender(), metric("ROCAUC"), scored_pane(lender(), table))
    assert found.outcome is Outcome.NO_BREACH
    assert found.message.startswith(f"estimated ROC AUC {found.value:.3f} (95 % interval ")
    assert "from 12,000 scores, as long as the relation between inputs and labels" in found.message


@pytest.mark.parametrize("method", ["ATC", "DoC"])
def test_confidence_tells_of_accuracy(method: str) -> None:
    profile = profile_of(*loans(20_000, 1, slope=2.0), "paid", {"p": ""})
    for shift in (0.0, 0.8):
        table, true = loans(20_000, 2, shift, slope=2.0)
        found = verdict(profile, metric("Accuracy", method=method), scored_pane(profile, table))
        assert found.value == pytest.approx((true == table["paid"]).mean(), abs=0.04)


@pytest.mark.parametrize("method", ["CBPE", "ATC", "DoC"])
def test_several_classes(method: str) -> None:
    table, true = flowers(20_000, 2)
    found = verdict(botanist(), metric("Accuracy", method=method), scored_pane(botanist(), table))
    right = np.array(table["kind"]) == true
    assert found.value == pytest.approx(right.mean(), abs=0.012)


@pytest.mark.parametrize("measure", ["Precision", "Recall", "F1", "ROCAUC"])
def test_of_several_classes_the_mean_counts(measure: str) -> None:
    table, true = flowers(20_000, 2)
    found = verdict(botanist(), metric(measure), scored_pane(botanist(), table))
    single = [
        realised(
            measure,
            (true == name).astype(int),
            (np.array(table["kind"]) == name).astype(int),
            table[f"p_{name}"],
        )
        for name in FLOWERS
    ]
    assert found.value == pytest.approx(np.mean(single), abs=0.012)


def test_the_shares_of_true_classes_follow_from_the_predicted_ones() -> None:
    table, true = flowers(20_000, 2, (4, 1, 1))
    now = np.array([(true == name).mean() for name in FLOWERS])
    asked = metric("PriorShift", "GreaterThan", "0.2")
    found = verdict(botanist(), asked, scored_pane(botanist(), table))
    assert found.value == pytest.approx(np.abs(now - 1 / 3).sum() / 2, abs=0.02)
    assert found.level is Level.CRITICAL
    assert "as long as inputs of each class look as they did" in found.message


def test_the_shares_that_are_as_before_are_no_shift() -> None:
    table, _ = flowers(20_000, 2)
    asked = metric("PriorShift", "GreaterThan", "0.05")
    found = verdict(botanist(), asked, scored_pane(botanist(), table))
    assert found.outcome is Outcome.NO_BREACH
    assert interval(found)[0] == 0.0


def test_predictions_that_tell_nothing_give_no_shares() -> None:
    draw = np.random.default_rng(1)
    table, true = loans(2000, 1)
    table["paid"] = draw.integers(0, 2, 2000)
    profile = profile_of(table, true, "paid", {})
    found = verdict(
        profile, metric("PriorShift", "GreaterThan", "0.1"), scored_pane(profile, table)
    )
    assert found.reason == VerdictReason.PRIOR_NOT_IDENTIFIABLE


def test_either_side_of_a_threshold_is_unknown() -> None:
    table, true = loans(1000, 2)
    right = f"{(true == table['paid']).mean():.3f}"
    found = verdict(lender(), metric("Accuracy", critical=right), scored_pane(lender(), table))
    assert found.reason == VerdictReason.INTERVAL_STRADDLES_THRESHOLD


def test_a_difference_from_the_baseline() -> None:
    # Nearly all applicants are sure ones: the model is right more often, as scores tell.
    table, _ = loans(20_000, 2, 3.0)
    asked = metric("Accuracy", "GreaterThan", "0.1", compare={"to": "Baseline"})
    found = verdict(lender(), asked, scored_pane(lender(), table))
    assert found.level is Level.CRITICAL
    assert "more than the baseline's" in found.message


def without(profile: Profile, **fields: Any) -> Profile:
    return msgspec.structs.replace(profile, **fields)


def test_without_labels_the_baseline_says_how_to_build_it() -> None:
    table, _ = loans(1000, 2)
    bare = without(lender(), performance=None)
    found = verdict(bare, metric("ROCAUC"), rows_pane(bare, 0, table))
    assert found.reason == VerdictReason.PERFORMANCE_NOT_IN_BASELINE
    assert "--label COLUMN and --score COLUMN" in found.message


def test_without_scores_only_the_prior_is_estimated() -> None:
    table, true = loans(20_000, 1)
    profile = profile_of(table, true, "paid", {})
    refused = verdict(profile, metric("ROCAUC"), rows_pane(profile, 0, table))
    assert refused.reason == VerdictReason.PERFORMANCE_NOT_IN_BASELINE
    asked = metric("PriorShift", "GreaterThan", "0.1")
    assert verdict(profile, asked, rows_pane(profile, 0, table)).outcome is Outcome.NO_BREACH


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p": lambda score: score * 100}, "not between 0 and 1"),
        ({"p": lambda score: [None] * len(score)}, "is missing"),
        ({"paid": lambda values: ["refused"] * len(values)}, "does not know"),
        ({"paid": lambda values: [None] * len(values)}, "no prediction"),
    ],
    ids=["percent", "missing score", "new class", "missing prediction"],
)
def test_answers_that_the_baseline_does_not_know(change: dict[str, Any], words: str) -> None:
    table, _ = loans(1000, 2)
    broken = table | {name: alter(table[name]) for name, alter in change.items()}
    found = verdict(lender(), metric("ROCAUC"), scored_pane(lender(), broken))
    assert found.reason == VerdictReason.SCORES_UNUSABLE
    assert words in found.message


def test_new_classes_are_no_shift_of_known_ones() -> None:
    table, _ = flowers(1000, 2)
    table["kind"] = ["orchid"] * 100 + table["kind"][100:]
    asked = metric("PriorShift", "GreaterThan", "0.1")
    found = verdict(botanist(), asked, scored_pane(botanist(), table))
    assert found.reason == VerdictReason.SCORES_UNUSABLE


def test_scores_that_never_arrive_are_told() -> None:
    table, _ = loans(1000, 2)
    part = lender().performance
    assert part is not None
    nothing = ScoreCounter(score_configuration(part)).counts()
    found = verdict(lender(), metric("ROCAUC"), rows_pane(lender(), 0, table, scores=nothing))
    assert found.reason == VerdictReason.SCORES_UNUSABLE
    assert "only 0 of 1000 answers hold p beside paid" in found.message


def test_panes_from_before_a_metric_asked_for_scores_say_nothing_of_them() -> None:
    table, _ = loans(1000, 2)
    before = rows_pane(lender(), 0, table)
    found = verdict(lender(), metric("ROCAUC"), before)
    assert found.reason == VerdictReason.WARMING_UP
    ticks = [tick(0, before), tick(1, scored_pane(lender(), table, 1))]
    found = judge(spec_of(metric("ROCAUC", window="2m")), ticks, lender())
    assert (found.outcome, found.samples) == (Outcome.NO_BREACH, 1000)


def test_too_few_scores() -> None:
    table, _ = loans(8, 2)
    found = verdict(lender(), metric("ROCAUC"), scored_pane(lender(), table))
    assert found.reason == VerdictReason.TOO_FEW_SAMPLES


def test_replicas_and_order_do_not_matter() -> None:
    table, _ = loans(6000, 2)
    parts = np.array_split(np.random.default_rng(3).permutation(6000), 7)
    panes = [
        scored_pane(lender(), {name: values[part] for name, values in table.items()}, boot=f"{at}")
        for at, part in enumerate(parts)
    ]
    whole = verdict(lender(), metric("ROCAUC"), scored_pane(lender(), table))
    assert verdict(lender(), metric("ROCAUC"), *panes).value == whole.value
    assert verdict(lender(), metric("ROCAUC"), *panes[::-1]).value == whole.value


def test_a_profile_with_labels_comes_back_from_its_bytes() -> None:
    for profile in (lender(), botanist()):
        assert load_profile(canonical(profile)) == profile
