"""The manifests that typical values give, held against files that people have read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chart.conftest import Helm

pytestmark = pytest.mark.chart

VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_values_give_the_golden_manifests(
    helm: Helm, golden: Callable[[str, bytes], None], values: Path
) -> None:
    # The CRD has golden files of its own in crds/; repeating it here would bury the rest.
    rendered = helm.render("--values", str(values), "--set", "crds.enabled=false")

    golden(f"chart/{values.stem}.yaml", rendered.text.encode())


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_values_pass_helm_lint(helm: Helm, values: Path) -> None:
    assert "0 chart(s) failed" in helm.lint("--values", str(values))
