"""The injector's question to itself, whether a pod that is created now would get its collector.

A sample pod goes the way of every pod, from the bytes of an AdmissionReview to the bytes of its
answer, under the settings and keys in force. Only the monitors are the sample's own.
"""

import base64
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from modelmonitor.api.v1alpha1.monitor import MONITOR_LABEL
from modelmonitor.core.injection.capture import Capture, WantedPort
from modelmonitor.core.injection.workloads import DEPLOYMENT, TEMPLATE_HASH_LABEL, Workload
from modelmonitor.core.settings import Settings
from modelmonitor.core.wire.configuration import CAPTURED_PORT_BASE, CONTAINER_NAME
from modelmonitor.injector.admission import Admission
from modelmonitor.injector.plan import InjectionPlan, PlanBook
from modelmonitor.injector.review import decode_review, encode_review

logger = logging.getLogger(__name__)

_NAME: Final = "self-test"
_HASH: Final = "7d9c8b6f5"
_PORT: Final = 8080
_POD: Final[Mapping[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "generateName": f"{_NAME}-{_HASH}-",
        "labels": {TEMPLATE_HASH_LABEL: _HASH},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": f"{_NAME}-{_HASH}",
                "controller": True,
            }
        ],
    },
    "spec": {
        "containers": [
            {"name": "model", "ports": [{"name": "http", "containerPort": _PORT}]},
        ]
    },
}


class SelfTest:
    """Asks the question, each time anew."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float], version: str) -> None:
        self._image = settings.collector_image
        namespace = settings.namespaces[0] if settings.namespaces else f"{settings.namespace}-x"
        plans = PlanBook()
        plans.put(
            InjectionPlan(
                namespace=namespace,
                monitor=_NAME,
                workload=Workload(DEPLOYMENT, _NAME),
                capture=Capture((WantedPort("http"),)),
            )
        )
        self._admission = Admission(settings, plans, monotonic, version)
        self._payload = _review(namespace)

    def problem(self, root_keys: str) -> str:
        """Return what is wrong with the answer to the sample pod; empty if it is as expected.

        Parameters
        ----------
        root_keys
            The public keys that pods are injected with, `Admission.root_keys`.
        """
        self._admission.root_keys = root_keys
        try:
            return self._judge()
        except Exception as error:
            # Whatever it is, pods that come now would meet it too.
            logger.exception("the self-test failed")
            return f"the self-test failed: {type(error).__name__}: {error}"

    def _judge(self) -> str:
        request = decode_review(self._payload)
        mutation = self._admission.decide(request)
        answer = msgspec.json.decode(encode_review(request.uid, mutation))["response"]
        if "patch" not in answer:
            return f"the self-test's pod was left as it is: {mutation.message}"
        values = {
            step["path"]: step["value"]
            for step in msgspec.json.decode(base64.b64decode(answer["patch"]))
        }
        (container,) = values.get("/spec/initContainers", [{}])
        label = MONITOR_LABEL.replace("/", "~1")
        expected = (
            answer["allowed"] is True,
            container.get("name") == CONTAINER_NAME,
            container.get("image") == self._image,
            values.get("/spec/containers/0/ports/0/containerPort") == CAPTURED_PORT_BASE,
            values.get(f"/metadata/labels/{label}") == _NAME,
        )
        return "" if all(expected) else "the self-test's pod was patched in an unexpected way"


def _review(namespace: str) -> bytes:
    return msgspec.json.encode(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": _NAME,
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "namespace": namespace,
                "operation": "CREATE",
                "object": _POD,
                "dryRun": True,
            },
        }
    )
