"""Amounts of resources mean what Kubernetes means by them."""

from decimal import Decimal

import pytest

from modelmonitor.core.injection.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"), ("50m", "0.05"), ("0.5", "0.5"), (".5", "0.5"), ("2.", "2"),
        ("100n", "0.0000001"), ("5u", "0.000005"), ("1k", "1000"), ("1M", "1000000"),
        ("96Mi", "100663296"), ("1Gi", "1073741824"), ("1.5Ki", "1536"), ("1E", "1e18"),
        ("1e3", "1000"), ("2E2", "200"), ("12e-1", "1.2"), ("-1", "-1"), ("+3", "3"),
    ],
)  # fmt: skip
def test_quantities_are_read_as_base_units(text: str, amount: str) -> None:
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1gi", "much", "1e", "0x10", "1Ki2", "²"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 50m"):
        parse_quantity(text)
