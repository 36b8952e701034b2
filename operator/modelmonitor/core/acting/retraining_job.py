"""The retraining Job: the user's template with owner, labels and evidence; one object, one write.

The evidence is an annotation on the pod template. The trainer reads it as a file through the
downward API, or as `MM_*` environment variables; nothing has to be mounted by the user.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.monitor import GROUP, KIND, VERSION
from modelmonitor.api.v1alpha1.status import Episode
from modelmonitor.core.judging.verdict import Verdict

EVIDENCE_ANNOTATION: Final = f"{GROUP}/evidence"
EPISODE_LABEL: Final = f"{GROUP}/episode"
RETRAINS_LABEL: Final = f"{GROUP}/retrains"
"""Job and pod label: name of the monitor that started the run. Not the collector's label."""
EVIDENCE_VOLUME: Final = "mm-evidence"
EVIDENCE_DIRECTORY: Final = "/etc/modelmonitor/evidence"
EVIDENCE_FILE: Final = "evidence.json"
MAX_EVIDENCE_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Owner:
    """The monitor that owns the Job."""

    name: str
    namespace: str
    uid: str


def evidence_document(owner: Owner, episode: Episode, verdicts: Sequence[Verdict]) -> str:
    """Return the evidence as JSON: why the run was started, in at most 16 KiB.

    It names columns and numbers, never values of the data. Where the limit would be passed, fewer
    columns are named, and in the end no metrics.
    """
    documents = (_document(owner, episode, verdicts, findings) for findings in (10, 3, 0))
    fitting = (text for text in documents if len(text.encode()) <= MAX_EVIDENCE_BYTES)
    return next(fitting, _document(owner, episode, (), 0))


def _document(owner: Owner, episode: Episode, verdicts: Sequence[Verdict], findings: int) -> str:
    return json.dumps(
        {
            "schema": 1,
            "monitor": {"namespace": owner.namespace, "name": owner.name, "uid": owner.uid},
            "episode": episode.number,
            "openedAt": episode.opened_at,
            "revision": episode.revision,
            "baselineDigest": episode.baseline_digest,
            "metrics": [
                _metric_evidence(verdict, findings)
                for verdict in verdicts
                if verdict.metric in episode.metrics
            ],
        },
        sort_keys=True,
    )


def _metric_evidence(verdict: Verdict, findings: int) -> dict[str, Any]:
    return {
        "name": verdict.metric,
        "level": None if verdict.level is None else verdict.level.value,
        "value": verdict.value,
        "threshold": verdict.threshold,
        "samples": verdict.samples,
        "windowSeconds": verdict.window,
        "message": verdict.message,
        "columns": [
            {"name": finding.column, "shift": finding.value, "logEvidence": finding.log_evidence}
            for finding in verdict.findings[:findings]
        ],
    }


def job_manifest(
    template: Mapping[str, Any], owner: Owner, episode: Episode, evidence: str
) -> dict[str, Any]:
    """Return the Job to create: the template, which is not changed, plus what is ours.

    Labels, annotations, volumes, mounts and variables that the user set are kept; ours are added
    beside them, and a user's entry of the same name wins.
    """
    job = copy.deepcopy(dict(template))
    job.update({"apiVersion": "batch/v1", "kind": "Job"})
    labels = {RETRAINS_LABEL: owner.name, EPISODE_LABEL: str(episode.number)}
    metadata = job.setdefault("metadata", {})
    for field in ("generateName", "uid", "resourceVersion"):
        metadata.pop(field, None)
    metadata.update({"name": episode.job_name, "namespace": owner.namespace})
    metadata["labels"] = {**metadata.get("labels", {}), **labels}
    metadata["ownerReferences"] = [
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": owner.name,
            "uid": owner.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    pod = job.setdefault("spec", {}).setdefault("template", {})
    pod_metadata = pod.setdefault("metadata", {})
    pod_metadata["labels"] = {**pod_metadata.get("labels", {}), **labels}
    pod_metadata["annotations"] = {
        **pod_metadata.get("annotations", {}),
        EVIDENCE_ANNOTATION: evidence,
    }
    _show_evidence(pod.setdefault("spec", {}), owner, episode)
    return job


def _show_evidence(pod_spec: dict[str, Any], owner: Owner, episode: Episode) -> None:
    volume = {
        "name": EVIDENCE_VOLUME,
        "downwardAPI": {
            "items": [
                {
                    "path": EVIDENCE_FILE,
                    "fieldRef": {"fieldPath": f"metadata.annotations['{EVIDENCE_ANNOTATION}']"},
                }
            ]
        },
    }
    mount = {"name": EVIDENCE_VOLUME, "mountPath": EVIDENCE_DIRECTORY, "readOnly": True}
    environment = {
        "MM_MONITOR": f"{owner.namespace}/{owner.name}",
        "MM_EPISODE": str(episode.number),
        "MM_REVISION": episode.revision,
        "MM_BASELINE_DIGEST": episode.baseline_digest,
        "MM_METRICS": ",".join(episode.metrics),
        "MM_EVIDENCE_FILE": f"{EVIDENCE_DIRECTORY}/{EVIDENCE_FILE}",
    }
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    _add(pod_spec, "volumes", [volume], "name")
    for container in [*pod_spec.get("containers", []), *pod_spec.get("initContainers", [])]:
        _add(container, "volumeMounts", [mount], "mountPath")
        _add(container, "env", variables, "name")


def _add(holder: dict[str, Any], field: str, entries: Sequence[dict[str, Any]], key: str) -> None:
    """Append the entries whose key the list does not have yet."""
    present = holder.setdefault(field, [])
    names = {entry.get(key) for entry in present}
    present.extend(copy.deepcopy(entry) for entry in entries if entry[key] not in names)
