"""A load generator that hides what a server does is not believed."""

import msgspec
import pytest

from bench.dataplane.load import OpenLoopResult, Quantiles
from bench.dataplane.ruler import judge
from bench.report import UnsoundRunError

HONEST = OpenLoopResult(
    requests=400,
    answered=400,
    failed=0,
    late=50,
    from_due=Quantiles(p50=10_500.0, p90=200_000.0, p99=390_000.0, max=400_000.0),
    from_sent=Quantiles(p50=10_400.0, p90=11_000.0, p99=390_000.0, max=400_000.0),
)


def test_one_that_counts_the_wait_is_believed() -> None:
    judge(HONEST)


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"from_due": HONEST.from_sent}, "hides that a server stalls"),
        (
            {"from_due": Quantiles(p50=90.0, p90=2e5, p99=3e5, max=3e5)},
            "less than the server takes",
        ),
        (
            {"from_sent": Quantiles(p50=90.0, p90=2e5, p99=3e5, max=3e5)},
            "less than the server takes",
        ),
        ({"answered": 399}, "does not send what it was told"),
        ({"requests": 300, "answered": 300}, "does not send what it was told"),
    ],
)
def test_one_that_does_not_is_refused(lie: dict[str, object], said: str) -> None:
    with pytest.raises(UnsoundRunError, match=said):
        judge(msgspec.structs.replace(HONEST, **lie))
