"""The CustomResourceDefinition around the schema: names, columns, fields to select by."""

import json
from dataclasses import replace
from typing import Any, Final

import yaml

from modelmonitor import __version__
from modelmonitor.api.v1alpha1.monitor import GROUP, KIND, PLURAL, VERSION, ModelMonitor
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.api.v1alpha1.status import ModelMonitorStatus
from modelmonitor.crd.schema import Schema, structural_schema, without_defaults

MAX_BYTES: Final = 150_000
"""Largest compact JSON: client-side apply keeps a copy in an annotation of at most 256 KiB."""

UNSEEN_STATUS: Final = {"observedGeneration": -1}
"""The status of a monitor that no operator has seen: for tools it is in progress, not well."""

_READY: Final = '.status.conditions[?(@.type=="Ready")].status'

_COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Target",
        "type": "string",
        "jsonPath": ".spec.targetRef.name",
        "description": "Workload that serves the model.",
    },
    {
        "name": "Ready",
        "type": "string",
        "jsonPath": _READY,
        "description": "Whether the monitor is set up; says nothing about the model.",
    },
    {
        "name": "Alert",
        "type": "string",
        "jsonPath": ".status.alertState",
        "description": "How the model is.",
    },
    {
        "name": "Metrics",
        "type": "string",
        "jsonPath": ".status.summary",
        "description": "Metrics by state.",
    },
    {
        "name": "Worst",
        "type": "string",
        "jsonPath": ".status.worst",
        "description": "The metric with the highest severity, longest firing first.",
        "priority": 1,
    },
    {
        "name": "Breaker",
        "type": "string",
        "jsonPath": ".status.injection.breaker",
        "description": "Circuit breaker of injection; empty as long as it never opened.",
        "priority": 1,
    },
    {
        "name": "Coverage",
        "type": "string",
        "jsonPath": ".status.coverage",
        "description": "Share of the traffic that was observed and decoded.",
        "priority": 1,
    },
    {
        "name": "Last-Retrain",
        "type": "date",
        "jsonPath": ".status.retraining.lastStartedAt",
        "description": "Time since the last retraining Job was created.",
    },
    {
        "name": "Age",
        "type": "date",
        "jsonPath": ".metadata.creationTimestamp",
        "description": "Age of the monitor.",
    },
)

_SELECTABLE: Final = (".spec.targetRef.name", ".spec.suspend", ".status.alertState")

_HEADER: Final = (
    "# Written by `make generate` from the models in operator/modelmonitor/api; edit those.\n"
)


def monitor_schema() -> Schema:
    """Return the schema of a whole ModelMonitor: spec, status and the rules over both."""
    # A rule may read metadata.name, but its fieldPath must not lead there.
    rules = [replace(each.rule, at="").to_schema() for each in ModelMonitor.checked_rules]
    status = without_defaults(structural_schema(ModelMonitorStatus))
    return {
        "description": "A ModelMonitor watches one model that serves in production: what is "
        "measured, when that is too much, and what follows.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{KIND}."},
            "metadata": {"type": "object"},
            "spec": structural_schema(ModelMonitorSpec),
            "status": {**status, "default": UNSEEN_STATUS},
        },
        "x-kubernetes-validations": rules,
    }


def custom_resource_definition() -> dict[str, Any]:
    """Return the CRD as an object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "annotations": {f"{GROUP}/bundle-version": f"v{__version__}"},
            "labels": {"app.kubernetes.io/name": "modelmonitor"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["mm"],
                "categories": ["mlops"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [dict(column) for column in _COLUMNS],
                    "selectableFields": [{"jsonPath": path} for path in _SELECTABLE],
                    "schema": {"openAPIV3Schema": monitor_schema()},
                }
            ],
        },
    }


def compact_bytes() -> int:
    """Return the size of the CRD as compact JSON, in bytes."""
    return len(json.dumps(custom_resource_definition(), separators=(",", ":")).encode())


def crd_yaml() -> str:
    """Return the CRD as the text of its file."""
    return _HEADER + yaml.dump(
        custom_resource_definition(),
        Dumper=_PlainDumper,
        sort_keys=False,
        width=100,
        allow_unicode=True,
    )


class _PlainDumper(yaml.SafeDumper):
    """Writes YAML without anchors: a CRD is read by people."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Return True: every object is written where it stands."""
        return True
