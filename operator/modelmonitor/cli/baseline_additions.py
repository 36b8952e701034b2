"""What `baseline build` adds on request: derived columns, correlations, embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmonitor.cli.errors import CommandError
from modelmonitor.core.baseline.profile import DerivedFrom, Profile
from modelmonitor.core.baseline.profile_additions import with_derived, with_moments
from modelmonitor.core.counting.derivation import Derivation

Values = NDArray[Any] | list[Any]

ALL: str = "all"
"""As the value of --correlations: all numeric inputs."""


@dataclass(frozen=True)
class Additions:
    """What was asked for.

    Attributes
    ----------
    derived
        Name of each derived column → how it comes about.
    correlated
        Numeric inputs whose correlations are kept; empty: all; None: none.
    embeddings
        Inputs that hold an embedding.
    """

    derived: Mapping[str, DerivedFrom]
    correlated: Sequence[str] | None
    embeddings: Sequence[str]

    def to(
        self,
        profile: Profile,
        columns: Mapping[str, Values],
        times: NDArray[np.float64] | None,
    ) -> Profile:
        """Return a profile of the same rows with what was asked for.

        Raises
        ------
        BaselineDataError
            If the rows do not have it.
        """
        profile = with_derived(profile, columns, self.derived, times)
        return with_moments(profile, columns, self.correlated, self.embeddings)


def additions_of(
    derive: Sequence[str], correlations: str | None, embedding: Sequence[str]
) -> Additions:
    """Return what the options ask for.

    Parameters
    ----------
    derive
        Texts `NAME=DERIVATION:INPUT`.
    correlations
        `all`, or names with commas.
    embedding
        Names of inputs.

    Raises
    ------
    CommandError
        If a text is none of these.
    """
    derived = dict(_derived(text) for text in derive)
    if len(derived) < len(derive):
        raise CommandError("--derive: a name is there twice")
    names = [name.strip() for name in (correlations or "").split(",") if name.strip()]
    wanted = None if correlations is None else [] if names == [ALL] else names
    return Additions(derived, wanted, embedding)


def _derived(text: str) -> tuple[str, DerivedFrom]:
    name, equals, rest = text.partition("=")
    kind, colon, source = rest.partition(":")
    if not (name and equals and colon and source):
        raise CommandError(f"--derive {text}: write NAME=DERIVATION:INPUT")
    try:
        return name, DerivedFrom(source=source, derivation=Derivation(kind))
    except ValueError as error:
        known = ", ".join(Derivation)
        raise CommandError(f"--derive {text}: {kind} is unknown; use one of {known}") from error
