"""Persistent volumes: folders on the nodes, prepared in advance as StorageClass ``local``.

`local` volumes, unlike hostPath, honour a pod's ``fsGroup``, so that pods without root can write.
"""

from typing import Any

from . import machines
from .kubectl import Kubectl
from .machines import Machine
from .settings import Settings

STORAGE_CLASS = "local"
VOLUMES_PER_NODE = 8
# Below the node's private /var/lib.
_FOLDER = "modelmonitor-volumes"


def ensure(settings: Settings, kubectl: Kubectl) -> None:
    """Create the default StorageClass and the volumes that are missing."""
    volumes = [
        _volume(node, index)
        for node in machines.nodes(settings)
        for index in range(1, VOLUMES_PER_NODE + 1)
    ]
    kubectl.apply(_storage_class(), *volumes)


def _storage_class() -> dict[str, Any]:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": default},
        "provisioner": "kubernetes.io/no-provisioner",
        # The pod is placed first: a volume exists on one node only.
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }


def _volume(node: Machine, index: int) -> dict[str, Any]:
    name = f"{node.name}-{index}"
    (node.folder / "lib" / _FOLDER / name).mkdir(parents=True, exist_ok=True)
    requirement = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": f"/var/lib/{_FOLDER}/{name}"},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
            },
        },
    }
