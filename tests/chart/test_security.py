"""What our pods may do: restricted Pod Security, and rights that are no wider than their use."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chart.conftest import NAMESPACE, Manifest, Rendered

pytestmark = pytest.mark.chart

Render = Callable[..., Rendered]
Rule = dict[str, Any]

CHOICES = {
    "default": (),
    "namespaced": ("namespaces={fraud,models}",),
    "cert-manager": ("certificates.mode=certManager",),
}
every_choice = pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES.keys())


@every_choice
def test_pods_meet_the_restricted_pod_security_standard(
    render: Render, values: tuple[str, ...]
) -> None:
    specs = list(render(*values).pod_specs())

    assert len(specs) == 2
    for spec in specs:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert {tuple(volume.keys() - {"name"}) for volume in spec["volumes"]} <= {
            ("emptyDir",),
            ("persistentVolumeClaim",),
        }
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_user_ids_can_be_left_to_the_cluster(render: Render) -> None:
    rendered = render(
        "security.runAsUser=null", "security.runAsGroup=null", "security.fsGroup=null"
    )

    for spec in rendered.pod_specs():
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & spec["securityContext"].keys()
        assert spec["securityContext"]["runAsNonRoot"] is True


def _granted(rendered: Rendered) -> Iterator[tuple[str, Manifest, Rule]]:
    """Yield (namespace or empty for everywhere, role, rule) for what our accounts may do."""
    roles = {
        (role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"]): role
        for role in rendered.of_kind("Role", "ClusterRole")
    }
    for binding in rendered.of_kind("RoleBinding", "ClusterRoleBinding"):
        namespace = binding["metadata"].get("namespace", "")
        reference = binding["roleRef"]
        role = roles[reference["kind"], namespace, reference["name"]]
        for rule in role["rules"]:
            yield namespace, role, rule


@every_choice
def test_secrets_can_be_read_only_by_name_in_the_own_namespace(
    render: Render, values: tuple[str, ...]
) -> None:
    rules = [
        (namespace, rule)
        for namespace, _, rule in _granted(render(*values))
        if "secrets" in rule["resources"]
    ]

    assert rules
    for namespace, rule in rules:
        assert namespace == NAMESPACE
        assert rule["verbs"] == ["create"] or rule["resourceNames"]


@every_choice
def test_no_right_is_given_by_wildcard_or_leads_to_more_rights(
    render: Render, values: tuple[str, ...]
) -> None:
    forbidden = {"pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "*"}
    for _, role, rule in _granted(render(*values)):
        where = f"{role['metadata']['name']}: {rule}"
        assert "*" not in rule["apiGroups"], where
        assert not forbidden & set(rule["resources"]), where
        assert not {"*", "impersonate", "escalate", "bind"} & set(rule["verbs"]), where
        assert "rbac.authorization.k8s.io" not in rule["apiGroups"], where


def test_workloads_are_only_read(render: Render) -> None:
    verbs = {
        verb
        for _, _, rule in _granted(render())
        if {"deployments", "statefulsets", "pods"} & set(rule["resources"])
        for verb in rule["verbs"]
    }

    assert verbs == {"get", "list", "watch"}


@every_choice
def test_workloads_may_be_restarted_only_where_the_administrator_lets_the_controller(
    render: Render, values: tuple[str, ...]
) -> None:
    def granted(*more: str) -> set[tuple[str, str, str]]:
        return {
            (role["metadata"]["name"], verb, resource)
            for _, role, rule in _granted(render(*values, *more))
            for verb in rule["verbs"]
            for resource in rule["resources"]
        }

    name = "modelmonitor-restart"
    assert granted("restart.enabled=true") - granted() == {
        (name, "patch", "deployments"),
        (name, "patch", "statefulsets"),
        (name, "create", "pods"),
    }


@every_choice
def test_network_policies_are_only_listed_where_monitors_are(
    render: Render, values: tuple[str, ...]
) -> None:
    rights = {
        (role["metadata"]["name"], *rule["verbs"])
        for _, role, rule in _granted(render(*values))
        if "networkpolicies" in rule["resources"]
    }

    assert rights == {("modelmonitor-controller", "list")}


def test_with_namespaces_nothing_but_the_own_webhook_is_cluster_wide(render: Render) -> None:
    rules = [
        rule
        for namespace, _, rule in _granted(render("namespaces={fraud,models}"))
        if not namespace
    ]

    assert [rule["resources"] for rule in rules] == [["mutatingwebhookconfigurations"]]
    assert rules[0]["resourceNames"] == ["modelmonitor"]
    assert "create" not in rules[0]["verbs"]


def test_only_the_controller_may_create_jobs(render: Render) -> None:
    owners = {
        role["metadata"]["name"]
        for _, role, rule in _granted(render())
        if "jobs" in rule["resources"]
    }

    assert owners == {"modelmonitor-controller"}


@every_choice
def test_the_webhook_can_never_keep_a_pod_from_starting(
    render: Render, values: tuple[str, ...]
) -> None:
    configuration = render(*values).one("MutatingWebhookConfiguration", "modelmonitor")

    (webhook,) = configuration["webhooks"]
    assert webhook["failurePolicy"] == "Ignore"
    assert webhook["timeoutSeconds"] <= 2
    assert webhook["sideEffects"] == "None"
    assert webhook["rules"][0]["operations"] == ["CREATE"]
    assert webhook["rules"][0]["resources"] == ["pods"]


@every_choice
def test_the_webhook_sees_only_namespaces_that_asked_for_it(
    render: Render, values: tuple[str, ...]
) -> None:
    configuration = render(*values).one("MutatingWebhookConfiguration", "modelmonitor")

    selector = configuration["webhooks"][0]["namespaceSelector"]
    excluded = selector["matchExpressions"][0]
    assert selector["matchLabels"] == {"modelmonitor.dev/injection": "enabled"}
    assert excluded["operator"] == "NotIn"
    assert {NAMESPACE, "kube-system"} <= set(excluded["values"])


def test_the_chart_renders_no_certificate(render: Render) -> None:
    rendered = render()

    assert "caBundle" not in str(rendered.objects)
    assert not rendered.of_kind("Secret")


def test_rendering_twice_gives_the_same_bytes(render: Render) -> None:
    assert render().text == render().text
