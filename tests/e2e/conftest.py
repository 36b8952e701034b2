"""The cluster with modelmonitor on it, once for all end-to-end tests, and a room for each."""

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from demo.story.images import Images
from demo.story.install import Installation
from demo.story.kubectl import Kubectl
from demo.story.platforms import Local
from modelmonitor.core.baseline.profile import PROFILE_KEY, canonical
from modelmonitor.core.baseline.profile_builder import build_profile
from tests.e2e.kit import INJECTION_LABEL, Kube, Room
from tests.e2e.release import Release

# A server of another kind with the collector's arguments: it ends at once with an error.
BROKEN_COLLECTOR = "localhost/coredns:1"


@pytest.fixture(scope="session")
def platform() -> Local:
    """Switch the local cluster on, or repair it."""
    local = Local()
    local.up()
    return local


@pytest.fixture(scope="session")
def images(platform: Local) -> Images:
    """Build the project's images and bring them to the nodes."""
    return platform.images()


@pytest.fixture(scope="session")
def kubectl(platform: Local) -> Kubectl:
    """Return kubectl for the cluster."""
    return Kubectl(platform.environment)


@pytest.fixture(scope="session")
def kube(kubectl: Kubectl) -> Kube:
    """Return the cluster in the tests' words."""
    return Kube(kubectl)


@pytest.fixture(scope="session")
def demo_image(images: Images) -> str:
    """Return the demo's image: model server, trainer and traffic."""
    return images.demo


@pytest.fixture(scope="session")
def release(kube: Kube, platform: Local, images: Images) -> Release:
    """Install the chart, or upgrade it to the images of this checkout."""
    installation = Installation(platform.environment, {"restart.enabled": "true"})
    installed = Release(kube, installation, images.operator, images.collector, BROKEN_COLLECTOR)
    installed.use_collector(images.collector)
    return installed


@pytest.fixture
def room(kube: Kube, images: Images, release: Release) -> Iterator[Room]:
    """Return a namespace where the installed chart injects; it is removed after the test."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    INJECTION_LABEL: "enabled",
                    "pod-security.kubernetes.io/enforce": "restricted",
                },
            },
        }
    )
    yield Room(kube, name, images.operator)
    kube("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def two_inputs() -> dict[str, Any]:
    """Return the data of a ConfigMap with the baseline of a model with two numeric inputs."""
    draw = np.random.default_rng(1)
    profile = build_profile({"x": draw.normal(size=5000), "y": draw.uniform(size=5000)})
    return {PROFILE_KEY: canonical(profile).decode()}
