"""Persistent volumes: folders on the nodes, prepared in advance as StorageClass ``local``.

`local` volumes, unlike hostPath, honour a pod's ``fsGroup``, so that pods without root can write.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from . import machines
from .kubectl import Kubectl
from .machines import Machine
from .settings import Settings

STORAGE_CLASS = "local"
VOLUMES_PER_NODE = 16
# Below the node's private /var/lib.
_FOLDER = "modelmonitor-volumes"


def ensure(settings: Settings, kubectl: Kubectl) -> None:
    """Create the default StorageClass and missing volumes, and empty those given back."""
    volumes = [
        _volume(node, index)
        for node in machines.nodes(settings)
        for index in range(1, VOLUMES_PER_NODE + 1)
    ]
    kubectl.apply(_storage_class(), *volumes)
    for volume in kubectl.get("persistentvolumes")["items"]:
        if volume["status"].get("phase") in {"Released", "Failed"}:
            _reclaim(settings, kubectl, volume["metadata"]["name"])


def _reclaim(settings: Settings, kubectl: Kubectl, name: str) -> None:
    """Empty a volume whose claim is gone and offer it again."""
    for node in machines.nodes(settings):
        folder = _folder(node, name)
        if folder.exists():
            shutil.rmtree(folder)
            folder.mkdir()
    patch = json.dumps({"spec": {"claimRef": None}})
    kubectl("patch", "persistentvolume", name, "--type=merge", "-p", patch)


def _folder(node: Machine, name: str) -> Path:
    return node.folder / "lib" / _FOLDER / name


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
    _folder(node, name).mkdir(parents=True, exist_ok=True)
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
