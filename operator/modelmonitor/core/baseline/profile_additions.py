"""What a profile holds on request: derived columns, and joint moments of rows."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.column_builder import BaselineDataError, Floats, Values, numbers_of
from modelmonitor.core.baseline.moments_builder import MomentDataError, columns_view, embedding_view
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole, DerivedFrom, Profile
from modelmonitor.core.baseline.profile_builder import Clocked, build_profile
from modelmonitor.core.counting.derived import derive


def with_derived(
    profile: Profile,
    table: Mapping[str, Values],
    derived: Mapping[str, DerivedFrom],
    times: Floats | None,
) -> Profile:
    """Return a profile with derived columns.

    Parameters
    ----------
    profile
        Of the same rows.
    table
        Column name → payloads, shape `(n_rows,)`.
    derived
        Name of each derived column → how it comes about.
    times
        Seconds since the epoch of each row, as the profile was built with.

    Raises
    ------
    BaselineDataError
        If a source is no input, or a name is taken.
    """
    if not derived:
        return profile
    inputs = {column.name for column in profile.inputs}
    names = {column.name for column in profile.columns}
    for name, origin in derived.items():
        if origin.source not in inputs:
            raise BaselineDataError(
                f"{name} cannot be derived: there is no input {origin.source}; the inputs are "
                f"{', '.join(sorted(inputs)[:20])}"
            )
        if name in names:
            raise BaselineDataError(f"{name} cannot be derived: there is a column of that name")
    numbers = {name: _numbers(table[each.source], each) for name, each in derived.items()}
    clock = Clocked(seasonality=Seasonality(profile.seasonality), zone=profile.timeZone)
    added = build_profile(numbers, times=times, clock=clock).columns
    columns = [
        msgspec.structs.replace(column, role=ColumnRole.DERIVED, derived=derived[column.name])
        for column in added
    ]
    return msgspec.structs.replace(profile, columns=[*profile.columns, *columns])


def with_moments(
    profile: Profile,
    table: Mapping[str, Values],
    correlated: Collection[str] | None,
    embeddings: Sequence[str],
) -> Profile:
    """Return a profile with joint moments.

    Parameters
    ----------
    profile
        Of the same rows.
    table
        Column name → values, shape `(n_rows,)`.
    correlated
        Numeric inputs whose correlations are kept; empty: all; None: none are.
    embeddings
        Inputs that hold an embedding.

    Raises
    ------
    BaselineDataError
        If columns are none, or there are too many.
    """
    found = []
    try:
        if correlated is not None:
            names = _numeric_inputs(profile, correlated)
            found.append(columns_view(names, [_floats(table[name]) for name in names]))
        for name in embeddings:
            if name not in {column.name for column in profile.inputs}:
                raise BaselineDataError(f"--embedding {name}: there is no input {name}")
            found.append(embedding_view(name, list(table[name])))
    except MomentDataError as error:
        raise BaselineDataError(str(error)) from error
    return msgspec.structs.replace(profile, moments=[*profile.moments, *found])


def _numbers(values: Values, origin: DerivedFrom) -> Floats:
    found = derive(origin.derivation, values)
    return np.array([each if isinstance(each, float) else np.nan for each in found], np.float64)


def _numeric_inputs(profile: Profile, wanted: Collection[str]) -> list[str]:
    numeric = [column.name for column in profile.inputs if column.kind is ColumnKind.NUMERIC]
    for name in wanted:
        if name not in numeric:
            raise BaselineDataError(f"--correlations: {name} is no numeric input")
    return [name for name in numeric if name in wanted or not wanted]


def _floats(values: Values) -> Floats:
    numbers = numbers_of(values)
    if numbers is None:
        raise BaselineDataError("correlations need numbers")
    return numbers
