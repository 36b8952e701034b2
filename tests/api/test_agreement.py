"""Parsing and the API server agree on monitors that nobody wrote by hand.

A generated monitor is a good one of the corpus in which up to three fields were dropped, added or
changed to what stands in the same place of another manifest, good or bad.
"""

import copy
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, parse_monitor
from tests.api.client import ApiServer
from tests.api.conftest import NAMESPACE
from tests.support.manifests import BAD, GOOD, bodies

pytestmark = pytest.mark.api

EXAMPLES = 400
MISSPELT = "scalars"
"""The file with unknown fields: parsing ignores them on purpose."""

Body = dict[str, Any]


def objects(value: Any, place: str) -> Iterator[tuple[str, Body]]:
    """Yield every object with its path, in which list entries have no position."""
    if isinstance(value, list):
        for entry in value:
            yield from objects(entry, place)
    if isinstance(value, dict):
        yield place, value
        for name, member in value.items():
            if name != "template":
                yield from objects(member, f"{place}.{name}")


def values_by_place(monitors: list[Body]) -> dict[str, dict[str, list[Any]]]:
    """Return what stands anywhere in the monitors: place → field → values."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for monitor in monitors:
        for place, holder in objects(monitor["spec"], "spec"):
            for name, value in holder.items():
                if value not in found[place][name]:
                    found[place][name].append(value)
    return found


GOOD_MONITORS = [body for path in GOOD for body in bodies(path)]
BAD_MONITORS = [body for path in BAD if path.stem != MISSPELT for body in bodies(path)]
VALUES = values_by_place(GOOD_MONITORS + BAD_MONITORS)


@st.composite
def monitors(draw: st.DrawFn) -> Body:
    """Return a good monitor with up to three changes."""
    body: Body = copy.deepcopy(draw(st.sampled_from(GOOD_MONITORS)))
    body["metadata"] = {"name": "generated", "namespace": NAMESPACE}
    for _ in range(draw(st.integers(0, 3))):
        place, holder = draw(st.sampled_from(list(objects(body["spec"], "spec"))))
        name = draw(st.sampled_from(sorted(VALUES[place])))
        if name in holder and draw(st.integers(0, 4)) == 0:
            del holder[name]
        else:
            holder[name] = copy.deepcopy(draw(st.sampled_from(VALUES[place][name])))
    return body


def test_the_same_verdict_on_generated_monitors(server: ApiServer) -> None:
    verdicts: Counter[bool] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(body=monitors())
    def same_verdict(body: Body) -> None:
        answer = server.monitors(NAMESPACE, "POST", body=body, dryRun="All")
        try:
            parse_monitor(body)
            problems = ""
        except InvalidMonitorError as error:
            problems = str(error)
        assert answer.accepted == (not problems), f"offline: {problems}\nonline: {answer.body}"
        verdicts[answer.accepted] += 1

    same_verdict()
    print(f"the same verdict: {verdicts[True]} good, {verdicts[False]} bad monitors")
    assert min(verdicts[True], verdicts[False]) > EXAMPLES / 10
