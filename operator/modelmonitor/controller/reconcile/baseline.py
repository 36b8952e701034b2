"""Loading baseline profiles from ConfigMaps, and keeping the last ones that were read.

A profile has up to 900 KiB, so that its ConfigMap is read again only when its version changed.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.baseline import BaselineType, Seasonality
from modelmonitor.api.v1alpha1.conditions import BaselineReason
from modelmonitor.api.v1alpha1.learned import LearnedBaseline
from modelmonitor.api.v1alpha1.metrics import DATA_TYPES, Metric
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.controller.gateways.api_server import CONFIG_MAPS, ApiServer, ObjectVersion
from modelmonitor.controller.gateways.errors import AccessDeniedError
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.core.baseline.learning import first_skeleton
from modelmonitor.core.baseline.profile import (
    PROFILE_KEY,
    InvalidProfileError,
    Profile,
    digest,
    load_profile,
)
from modelmonitor.core.baseline.seasons import holds
from modelmonitor.core.judging.asked import checks_for, marks_for
from modelmonitor.core.judging.multivariate import command_for, view_of, views_for
from modelmonitor.core.judging.performance import wants_scores
from modelmonitor.core.judging.performance_scores import score_configuration
from modelmonitor.core.pane.history import unrecordable
from modelmonitor.core.wire.configuration import (
    CollectorConfiguration,
    ColumnConfiguration,
    JSONPaths,
    RowChecks,
    ScoreConfiguration,
)

KEPT_PROFILES: Final = 256
"""Profiles in memory; a typical one has 50 KiB, and one that is not kept is read again."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profile in force."""

    profile: Profile
    digest: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no profile."""

    reason: BaselineReason
    message: str


NOT_NAMED: Final = Missing(
    BaselineReason.BASELINE_NOT_FOUND,
    "spec.baseline is not set, and metrics that look at columns need one: name the ConfigMap that "
    "`modelmonitor baseline apply` wrote",
)


def first_cells(learned: LearnedBaseline) -> Loaded:
    """Return the profile by whose cells the first round of learning counts."""
    profile = first_skeleton(learned)
    return Loaded(profile, digest(profile))


class Baselines:
    """Profiles by the ConfigMap that holds them."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._kept: OrderedDict[tuple[str, str, ObjectVersion], Loaded | Missing] = OrderedDict()

    async def of(self, key: Key, spec: ModelMonitorSpec) -> Loaded | Missing | None:
        """Return the profile by whose cells a monitor's rows are counted at first.

        Returns
        -------
        Loaded, Missing or None
            The profile, or why there is none; None where the monitor needs none.
        """
        baseline = spec.baseline
        if baseline is not None and baseline.learned is not None:
            loaded = first_cells(baseline.learned)
            absent = missing_columns(spec, loaded.profile)
            return Missing(BaselineReason.BASELINE_INVALID, absent) if absent else loaded
        if baseline is None or baseline.profile_ref is None:
            return NOT_NAMED if needs_baseline(spec) else None
        try:
            found = await self.load(key, baseline.profile_ref.name)
        except AccessDeniedError as error:
            return Missing(
                BaselineReason.ACCESS_DENIED, f"the operator may not read the baseline: {error}"
            )
        if isinstance(found, Missing):
            return found
        absent = missing_columns(spec, found.profile) or missing_hours(spec, found.profile)
        if not absent and baseline.production is not None:
            absent = unrecordable(found.profile)
        return Missing(BaselineReason.BASELINE_INVALID, absent) if absent else found

    async def load(self, key: Key, name: str) -> Loaded | Missing:
        """Return the profile in a ConfigMap of a monitor's namespace, or why there is none."""
        absent = Missing(
            BaselineReason.BASELINE_NOT_FOUND,
            f"ConfigMap {name} does not exist: run `modelmonitor baseline apply PROFILE "
            f"--namespace {key.namespace} --name {name}`",
        )
        version = await self._api.get_version(CONFIG_MAPS, key.namespace, name)
        if version is None:
            return absent
        place = (key.namespace, name, version)
        kept = self._kept.get(place)
        if kept is not None:
            self._kept.move_to_end(place)
            return kept
        body = await self._api.get(CONFIG_MAPS, key.namespace, name)
        if body is None:
            return absent
        text = (body.get("data") or {}).get(PROFILE_KEY)
        found = _read(name, text)
        self._kept[place] = found
        while len(self._kept) > KEPT_PROFILES:
            self._kept.popitem(last=False)
        return found


def _read(name: str, text: str | None) -> Loaded | Missing:
    if text is None:
        return Missing(
            BaselineReason.BASELINE_INVALID,
            f"ConfigMap {name} has no key {PROFILE_KEY}: write it with `modelmonitor baseline "
            "apply`",
        )
    try:
        profile = load_profile(text.encode())
    except InvalidProfileError as error:
        return Missing(BaselineReason.BASELINE_INVALID, f"ConfigMap {name}: {error}")
    return Loaded(profile, digest(profile))


def missing_columns(spec: ModelMonitorSpec, profile: Profile) -> str:
    """Return which columns metrics name that the profile does not have; empty if it has all."""
    names = {column.name for column in profile.columns}
    for metric in spec.metrics:
        absent = [column for column in _named_columns(metric) if column not in names]
        if absent:
            return (
                f"spec.metrics[{metric.name}] names the column {absent[0]}, which the baseline "
                f"does not have; it has {', '.join(sorted(names)[:20])}"
            )
    return _missing_views(spec, profile) or _missing_derived(spec, profile)


def _missing_views(spec: ModelMonitorSpec, profile: Profile) -> str:
    """Return which joint moments the profile does not have; empty if it has all."""
    known = {each.view.name for each in profile.moments}
    for metric in spec.metrics:
        options = metric.multivariate
        if options is not None and view_of(options) not in known:
            return (
                f"spec.metrics[{metric.name}] looks at whole rows, which the baseline does not "
                f"know: build it with `{command_for(options)}`"
            )
    return ""


def _missing_derived(spec: ModelMonitorSpec, profile: Profile) -> str:
    """Return which derived column the profile does not have as declared; empty if it has all."""
    known = {column.name: column.derived for column in profile.columns}
    for wanted in spec.collection.derived:
        found = known.get(wanted.name)
        if found is None or (found.derivation.value, found.source) != (
            wanted.as_.value,
            wanted.from_,
        ):
            return (
                f"spec.collection.derived[{wanted.name}] is not in the baseline: build it with "
                f"`modelmonitor baseline build … --derive {wanted.name}={wanted.as_}:"
                f"{wanted.from_}`"
            )
    return ""


def missing_hours(spec: ModelMonitorSpec, profile: Profile) -> str:
    """Return why a profile cannot serve the seasonality of a monitor; empty if it can."""
    # Of a period of production, the hours are counted while it is served.
    if spec.baseline is None or spec.baseline.type is not BaselineType.CONFIG_MAP:
        return ""
    wanted = spec.baseline.seasonality
    if holds(profile, wanted):
        return ""
    daily = profile.seasonality == Seasonality.HOUR_OF_DAY.value
    return (
        f"spec.baseline.seasonality is {wanted.value}, but the baseline's rows are "
        f"{'known by hour of the day only' if daily else 'not counted by hour'}: build it with "
        f"`modelmonitor baseline build --time COLUMN --seasonality {wanted.value}` from rows of "
        f"two weeks or more, or write {(Seasonality.HOUR_OF_DAY if daily else Seasonality.NONE)}"
    )


def _named_columns(metric: Metric) -> list[str]:
    selectors = [
        options.columns for options in (metric.data_quality, metric.drift) if options is not None
    ]
    named = [name for selector in selectors if selector for name in selector.names or []]
    single = metric.distance or metric.statistic
    return [*named, single.column] if single is not None else named


def needs_baseline(spec: ModelMonitorSpec) -> bool:
    """Return whether any metric looks at columns."""
    return any(metric.type in DATA_TYPES for metric in spec.metrics)


def configuration_for(
    spec: ModelMonitorSpec, uid: str, interval: float, loaded: Loaded | None, hash_key: str
) -> CollectorConfiguration:
    """Return what the collectors of a monitor are to count.

    Parameters
    ----------
    spec
        The monitor's spec.
    uid
        The monitor's UID.
    interval
        Seconds.
    loaded
        The baseline in force; without one, bodies are not decoded.
    hash_key
        Key of the hashes that stand for values which are not to be told.
    """
    derived = {wanted.name for wanted in spec.collection.derived}
    columns = [
        column
        for column in ([] if loaded is None else loaded.profile.columns)
        if column.derived is None or column.name in derived
    ]
    model, marks = spec.collection.model, marks_for(spec.metrics)
    return CollectorConfiguration(
        monitorUID=uid,
        interval=interval,
        baselineDigest="" if loaded is None else loaded.digest,
        protocols={port.name: port.protocol.value for port in spec.collection.ports},
        paths={
            port.name: JSONPaths(rows=port.json_paths.rows, results=port.json_paths.results)
            for port in spec.collection.ports
            if port.json_paths is not None
        },
        model="" if model is None else model.name,
        sampleRatio=parse_decimal(spec.collection.sample_ratio),
        columns=[
            ColumnConfiguration(
                name=column.name,
                kind=column.kind,
                role=column.role,
                locator=column.locator,
                derived=column.derived,
                cuts=column.cuts,
                categories=column.categories,
                marks=marks.get(column.name, []),
            )
            for column in columns
        ],
        checks=RowChecks() if loaded is None else checks_for(spec.metrics, loaded.profile),
        moments=(
            []
            if loaded is None
            else [each.view for each in views_for(loaded.profile, spec.metrics)]
        ),
        scores=_scores(spec, loaded),
        reveal=spec.collection.reveal,
        hashKey=hash_key,
        suspended=spec.suspend,
    )


def _scores(spec: ModelMonitorSpec, loaded: Loaded | None) -> ScoreConfiguration | None:
    """Return how scores are counted together with predictions, if any metric asks for it."""
    part = None if loaded is None else loaded.profile.performance
    if part is None or not part.scored or not wants_scores(spec.metrics):
        return None
    return score_configuration(part)
