"""AdmissionReview (admission.k8s.io/v1): in as bytes, out as bytes; the pod stays raw JSON."""

import base64
from typing import Any, Final

import msgspec

from modelmonitor.injector.admission import PodRequest
from modelmonitor.injector.mutation import Mutation

API_VERSION: Final = "admission.k8s.io/v1"


class _Resource(msgspec.Struct, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    uid: str
    kind: _Resource = _Resource()
    namespace: str = ""
    operation: str = ""
    sub_resource: str = ""
    dry_run: bool | None = None
    object: dict[str, Any] | None = None


class _Review(msgspec.Struct, frozen=True, rename="camel"):
    request: _Request


def decode_review(payload: bytes) -> PodRequest:
    """Return the request of a review.

    Raises
    ------
    msgspec.DecodeError
        If the payload is no review with a request.
    """
    request = msgspec.json.decode(payload, type=_Review).request
    kind = request.kind
    creates_pod = (
        (kind.group, kind.version, kind.kind) == ("", "v1", "Pod")
        and request.operation == "CREATE"
        and not request.sub_resource
        and request.object is not None
    )
    return PodRequest(
        uid=request.uid,
        namespace=request.namespace,
        pod=request.object or {},
        dry_run=bool(request.dry_run),
        creates_pod=creates_pod,
    )


def encode_review(uid: str, mutation: Mutation) -> bytes:
    """Return the answer to a review: always allowed, with the patch if there is one."""
    response: dict[str, Any] = {
        "uid": uid,
        "allowed": True,
        # Shown in the API server's audit log, the only place where a pod that is not there yet
        # can carry a word.
        "auditAnnotations": {"outcome": mutation.outcome, "reason": mutation.reason},
    }
    if mutation.patch:
        patch = base64.b64encode(msgspec.json.encode(mutation.patch)).decode()
        response |= {"patchType": "JSONPatch", "patch": patch}
    return msgspec.json.encode(
        {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}
    )
