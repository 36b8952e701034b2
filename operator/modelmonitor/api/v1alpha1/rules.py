"""Rules between fields, declared once: what the API server checks as CEL, the operator in Python.

A rule is a method of an API model that says whether an object obeys it, decorated with the same
statement in CEL. The decorator carries what both share: the message, the field it speaks of and the
kind of error. The CRD generator writes the CEL side; parsing runs the Python side, so that an
operator never trusts that the API server's schema is its own, and `lint` needs no API server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

Holds = Callable[[Any], bool]
_Method = TypeVar("_Method", bound=Holds)

_MARK: Final = "__api_rule__"


class RuleReason(StrEnum):
    """Kinds of error that the API server knows."""

    INVALID = "FieldValueInvalid"
    REQUIRED = "FieldValueRequired"
    FORBIDDEN = "FieldValueForbidden"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule about an object."""

    cel: str
    """The rule in CEL, true where it is obeyed; `self` is the object."""
    message: str
    """What to write instead, as a sentence."""
    at: str = ""
    """Path of the field that it speaks of, below the object: `.threshold.recoverAt`."""
    reason: RuleReason = RuleReason.INVALID

    def to_schema(self) -> dict[str, str]:
        """Return the rule as an entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message, "reason": str(self.reason)}
        return {**entry, "fieldPath": self.at} if self.at else entry


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule together with its Python side."""

    rule: Rule
    holds: Holds


class BrokenRulesError(ValueError):
    """An object does not obey some of its rules."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        super().__init__("; ".join(rule.message for rule in rules))
        self.rules: Final = rules


def rule(
    cel: str, message: str, *, at: str = "", reason: RuleReason = RuleReason.INVALID
) -> Callable[[_Method], _Method]:
    """Declare a method of an API model to be the Python side of a rule.

    The method returns True where the object obeys the rule. It may rely on the types and patterns
    of its fields: rules are checked only where those hold, here as in the API server.
    """

    def mark(method: _Method) -> _Method:
        setattr(method, _MARK, Rule(cel, message, at, reason))
        return method

    return mark


def rules_of(model: type) -> tuple[CheckedRule, ...]:
    """Return the rules of a class and of those it derives from, in the order of their text."""
    members = {
        name: member for each in reversed(model.__mro__) for name, member in vars(each).items()
    }
    return tuple(
        CheckedRule(getattr(member, _MARK), member)
        for member in members.values()
        if hasattr(member, _MARK)
    )
