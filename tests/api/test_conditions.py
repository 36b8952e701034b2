"""The words of the status: CamelCase, one sentence each, and consistent with each other."""

import re

import pytest

from modelmonitor.api.v1alpha1.conditions import (
    ALWAYS_PRESENT,
    NEEDS_A_PERSON,
    ConditionType,
    Documented,
    ReadyReason,
)

WORDS = [word for kind in Documented.__subclasses__() for word in kind]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: f"{type(word).__name__}.{word}")
def test_a_word_is_camel_case_and_has_one_sentence(word: Documented) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]{1,62}", word)
    assert word.sentence.endswith(".")
    assert word.sentence[0].isupper() or word.sentence.startswith("spec.")


@pytest.mark.parametrize("kind", Documented.__subclasses__(), ids=lambda kind: kind.__name__)
def test_a_member_is_called_like_its_word(kind: type[Documented]) -> None:
    assert [word.name.replace("_", "").lower() for word in kind] == [word.lower() for word in kind]


def test_all_conditions_but_two_are_always_present() -> None:
    assert set(ConditionType) - set(ALWAYS_PRESENT) == {"Reconciling", "Stalled"}


def test_only_success_and_progress_need_no_person() -> None:
    assert set(ReadyReason) - NEEDS_A_PERSON == {"Succeeded", "Progressing"}
