"""What the values mean, and which of them are refused with a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import modelmonitor
from modelmonitor.core.settings import Settings, settings_from
from tests.chart.conftest import NAMESPACE, Helm, Rendered

pytestmark = pytest.mark.chart

Render = Callable[..., Rendered]
ROLES = ("controller", "injector")


def _environment(rendered: Rendered, role: str) -> dict[str, str]:
    """Return a container's environment as the kubelet would fill it."""
    fields = {"metadata.namespace": NAMESPACE, "metadata.name": f"modelmonitor-{role}-0"}
    deployment = rendered.one("Deployment", f"modelmonitor-{role}")
    return {
        entry["name"]: entry["value"]
        if "value" in entry
        else fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }


def _settings(rendered: Rendered, role: str) -> Settings:
    return settings_from(_environment(rendered, role))


@pytest.mark.parametrize("role", ROLES)
def test_the_processes_understand_every_variable_that_the_chart_sets(
    render: Render, role: str
) -> None:
    rendered = render("namespaces={models,fraud}", "image.collector.tag=v9", "logLevel=DEBUG")

    settings = _settings(rendered, role)

    assert settings.namespace == NAMESPACE
    assert settings.namespaces == ("fraud", "models")
    assert settings.collector_image == "ghcr.io/modelmonitor/collector:v9"
    assert settings.log_level == "DEBUG"
    assert rendered.one("Service", settings.service_name)
    assert rendered.one("MutatingWebhookConfiguration", settings.webhook_name)


def test_chart_and_package_have_one_version(chart: Path) -> None:
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())

    assert metadata["version"] == metadata["appVersion"] == modelmonitor.__version__


def test_a_digest_wins_over_a_tag(render: Render) -> None:
    digest = "sha256:" + "ab" * 32

    rendered = render(f"image.operator.digest={digest}", "image.operator.tag=v1")

    images = [spec["containers"][0]["image"] for spec in rendered.pod_specs()]
    assert images == [f"ghcr.io/modelmonitor/operator@{digest}"] * 2


def test_the_store_has_a_volume_and_never_two_writers(render: Render) -> None:
    rendered = render("store.url=file:///data/panes")

    deployment = rendered.one("Deployment", "modelmonitor-controller")
    spec = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert {"name": "store", "mountPath": "/data/panes"} in spec["containers"][0]["volumeMounts"]
    assert rendered.one("PersistentVolumeClaim", "modelmonitor-store")


def test_an_existing_claim_is_used_and_none_is_made(render: Render) -> None:
    rendered = render("persistence.existingClaim=mine")

    spec = rendered.one("Deployment", "modelmonitor-controller")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["store"]["persistentVolumeClaim"] == {"claimName": "mine"}
    assert not rendered.of_kind("PersistentVolumeClaim")


REFUSED = {
    "two writers of one store": (
        "controller.replicas=2",
        "a store in a directory serves one controller; set it to 1",
    ),
    "the operator's own namespace": (
        f"namespaces={{{NAMESPACE}}}",
        "install the chart in a namespace of its own",
    ),
    "a misspelt key": ("injector.replica=3", "additional properties 'replica' not allowed"),
    "an unknown log level": ("logLevel=TRACE", "logLevel"),
    "a store of another kind": ("store.url=/var/lib", "store/url"),
    "a digest that is none": ("image.collector.digest=latest", "image/collector/digest"),
    "a name that is no namespace": ("namespaces={Models}", "namespaces/0"),
    "root": ("security.runAsUser=0", "security/runAsUser"),
}


@pytest.mark.parametrize(("value", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_values_that_cannot_work_are_refused(helm: Helm, value: str, sentence: str) -> None:
    assert sentence in helm.refuse("--set", value).message


def test_crds_are_kept_when_the_chart_is_uninstalled(render: Render) -> None:
    policies = {
        keep: [
            crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            for crd in render(f"crds.keep={keep}").of_kind("CustomResourceDefinition")
        ]
        for keep in ("true", "false")
    }

    assert policies == {"true": ["keep"], "false": [None]}


def test_crds_can_be_left_out(render: Render) -> None:
    assert not render("crds.enabled=false").of_kind("CustomResourceDefinition")


def test_the_chart_ships_the_generated_crds(root: Path, chart: Path) -> None:
    generated = {path.name: path.read_bytes() for path in (root / "crds").glob("*.yaml")}
    shipped = {path.name: path.read_bytes() for path in (chart / "files" / "crds").glob("*.yaml")}

    assert generated, "crds/ is empty: run `make generate`"
    assert shipped == generated, "the chart's copy is old: run `make generate`"


def test_helm_changes_no_word_of_the_crds_but_metadata(root: Path, render: Render) -> None:
    def without_metadata(crd: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in crd.items() if key != "metadata"}

    generated = [yaml.safe_load(path.read_text()) for path in (root / "crds").glob("*.yaml")]
    rendered = render().of_kind("CustomResourceDefinition")

    assert [without_metadata(crd) for crd in rendered] == [
        without_metadata(crd) for crd in generated
    ]
