"""`modelmonitor doctor`: what will happen to a workload that is watched, and what has happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from modelmonitor.api.v1alpha1.monitor import KIND
from modelmonitor.api.v1alpha1.spec import TargetRef
from modelmonitor.cli.cluster import Body, ObjectKind, Objects
from modelmonitor.cli.doctor_view import report
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.examination import Examination, examine
from modelmonitor.cli.manifests import Document, ManifestError, read_documents
from modelmonitor.cli.screen import screen
from modelmonitor.core.injection.preflight import Level
from modelmonitor.core.injection.workloads import (
    DEPLOYMENT,
    INFERENCE_SERVICE,
    STATEFUL_SET,
    TARGETS,
    Workload,
    target_workload,
)

_WORDS: Final = {
    "deployment": DEPLOYMENT,
    "deployments": DEPLOYMENT,
    "deploy": DEPLOYMENT,
    "statefulset": STATEFUL_SET,
    "statefulsets": STATEFUL_SET,
    "sts": STATEFUL_SET,
    "inferenceservice": INFERENCE_SERVICE,
    "inferenceservices": INFERENCE_SERVICE,
    "isvc": INFERENCE_SERVICE,
}


@dataclass(frozen=True)
class Manifests:
    """implements `Objects` over manifest files."""

    documents: Sequence[Document]
    namespace: str = "default"

    def monitors(self, namespace: str | None) -> list[Body]:
        """See `Objects.monitors`; monitors get what only an API server would give them."""
        return [
            {**one.body, "metadata": {"namespace": self.namespace, **one.body["metadata"]}}
            for one in self.documents
            if one.body.get("kind") == KIND and (namespace is None or _is_in(one.body, namespace))
        ]

    def find(self, kind: ObjectKind, namespace: str, name: str) -> Body | None:
        """See `Objects.find`."""
        found = self.objects(kind, namespace)
        return next((one for one in found if one["metadata"]["name"] == name), None)

    def objects(
        self, kind: ObjectKind, namespace: str, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """See `Objects.objects`."""
        return [
            one.body
            for one in self.documents
            if (one.body.get("apiVersion"), one.body.get("kind")) == (kind.api_version, kind.name)
            and (not kind.namespaced or _is_in(one.body, namespace))
            and (labels or {}).items() <= (one.body["metadata"].get("labels") or {}).items()
        ]


def doctor(
    target: Annotated[
        str,
        typer.Argument(help="KIND/NAME: deployment/…, statefulset/… or inferenceservice/…."),
    ],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace; default: the context's.")
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(help="ModelMonitor to judge by; default: the one that names the target."),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", help="Read manifest files instead of a cluster; repeatable."),
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
) -> None:
    """Say what a collector would see of a workload, and what stands in its way.

    Looks at the pod template, Services, NetworkPolicies, quotas, LimitRanges and the namespace,
    changes nothing, and exits with 1 while a problem stands.
    """
    workload = parse_target(target)
    source: Objects
    if file:
        source = Manifests(_documents(file), namespace or Manifests.namespace)
    else:
        from modelmonitor.cli.kubernetes_cluster import KubernetesCluster

        source = KubernetesCluster(context)
    examination = examine(source, workload, namespace or source.namespace, monitor)
    show(screen(), examination)


def show(console: Console, examination: Examination) -> None:
    """Print what was found.

    Raises
    ------
    typer.Exit
        With 1, if a problem stands.
    """
    console.print(report(examination))
    if any(one.level is Level.PROBLEM for one in examination.findings):
        raise typer.Exit(1)


def parse_target(text: str) -> Workload:
    """Return the workload that KIND/NAME means.

    Raises
    ------
    CommandError
        If it is not of a kind that can be watched.
    """
    word, _, name = text.partition("/")
    kind = _WORDS.get(word.lower())
    version = next((version for version, known in TARGETS if known == kind), "")
    workload = None
    if kind is not None and name:
        workload = target_workload(
            TargetRef.model_construct(api_version=version, kind=kind, name=name)
        )
    if workload is None:
        raise CommandError(
            f"{text} is no target: write deployment/NAME, statefulset/NAME or inferenceservice/NAME"
        )
    return workload


def _documents(files: Sequence[Path]) -> list[Document]:
    try:
        return [
            document
            for file in files
            for document in read_documents(str(file), file.read_text())
            if isinstance(document.body.get("metadata"), dict)
        ]
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ManifestError, UnicodeDecodeError) as error:
        raise CommandError(str(error)) from error


def _is_in(body: Body, namespace: str) -> bool:
    return bool(body["metadata"].get("namespace", namespace) == namespace)
