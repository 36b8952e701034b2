import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.story import images, platforms
from demo.story.images import ImageError, Images
from demo.story.kubectl import KubectlError
from demo.story.platforms import OURS, Current, Kind, Local, PlatformError, choose

Bench = Callable[..., dict[str, str]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def bench(tmp_path: Path, log: Path) -> Bench:
    """Return a maker of environments whose programs only write down how they were called."""

    def make(**answers: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in answers.items():
            program = folder / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{script}\n')
            program.chmod(0o755)
        return {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"}

    return make


def calls(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "kind.kubeconfig"
    monkeypatch.setattr(platforms, "KIND_KUBECONFIG", path)
    return path


def test_without_a_name_it_is_the_local_cluster_where_that_can_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    assert isinstance(choose("", bench()), Local)


def test_without_a_name_it_is_kind_where_only_that_can_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert isinstance(choose("", bench(kind="")), Kind)


@pytest.mark.parametrize("name", ["", "local"])
def test_where_nothing_can_run_the_reader_is_told_the_choices(
    name: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PlatformError, match="CLUSTER=current"):
        choose(name, bench())


def test_an_unknown_name_is_refused_with_the_known_ones(bench: Bench) -> None:
    with pytest.raises(PlatformError, match="local, kind or current"):
        choose("minikube", bench())


def test_kind_makes_its_cluster_once_with_a_kubeconfig_of_its_own(
    bench: Bench, log: Path, kubeconfig: Path
) -> None:
    Kind(bench(kind="echo other")).up()
    assert [line.split()[1] for line in calls(log)] == ["get", "create", "export"]
    assert all(str(kubeconfig) in line for line in calls(log)[1:])


def test_kind_finds_the_cluster_that_is_there(bench: Bench, log: Path, kubeconfig: Path) -> None:
    Kind(bench(kind="echo modelmonitor-demo")).up()
    assert [line.split()[1] for line in calls(log)] == ["get", "export"]
    assert Kind().environment["KUBECONFIG"] == str(kubeconfig)


def test_kind_loads_all_three_images(bench: Bench, log: Path, kubeconfig: Path) -> None:
    made = Kind(bench(kind="", docker="")).images()
    built = [line for line in calls(log) if line.startswith("docker build")]
    assert len(built) == 3
    assert f"--build-arg OPERATOR_IMAGE={made.operator}" in built[2]
    (loaded,) = [line for line in calls(log) if line.startswith("kind load")]
    assert all(image in loaded for image in made.all())
    assert not kubeconfig.exists()


def test_kind_takes_its_cluster_and_kubeconfig_away(
    bench: Bench, log: Path, kubeconfig: Path
) -> None:
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.write_text("")
    Kind(bench(kind="")).down()
    assert calls(log)[0].startswith("kind delete cluster --name modelmonitor-demo")
    assert not kubeconfig.exists()


def test_the_current_cluster_takes_images_that_exist(bench: Bench, log: Path) -> None:
    given = {"OPERATOR_IMAGE": "r/o:1", "COLLECTOR_IMAGE": "r/c:1", "DEMO_IMAGE": "r/d:1"}
    assert Current(bench() | given).images() == Images("r/o:1", "r/c:1", "r/d:1")
    assert calls(log) == []


def test_the_current_cluster_needs_a_registry_to_build_for(bench: Bench) -> None:
    with pytest.raises(PlatformError, match="set REGISTRY"):
        Current(bench()).images()


def test_images_for_the_current_cluster_are_pushed(bench: Bench, log: Path) -> None:
    made = Current(bench(docker="") | {"REGISTRY": "r.example/me"}).images()
    pushed = [line.split()[-1] for line in calls(log) if line.startswith("docker push")]
    assert pushed == list(made.all())
    assert {image.rpartition("/")[0] for image in pushed} == {"r.example/me"}


def test_a_cluster_that_does_not_answer_is_found_out_first(bench: Bench) -> None:
    with pytest.raises(KubectlError, match="connection refused"):
        Current(bench(kubectl="echo connection refused >&2; exit 1")).up()


def namespaces(*labels: dict[str, str]) -> str:
    items = [{"metadata": {"name": "modelmonitor-system", "labels": one}} for one in labels]
    return f"echo '{json.dumps({'items': items})}'"


def test_in_the_current_cluster_the_demo_marks_its_place(bench: Bench, log: Path) -> None:
    Current(bench(kubectl=namespaces())).up()
    assert [line.split()[1] for line in calls(log)] == ["get", "apply"]


def test_a_modelmonitor_that_is_there_already_is_not_replaced(bench: Bench, log: Path) -> None:
    with pytest.raises(PlatformError, match="in this cluster already"):
        Current(bench(kubectl=namespaces({}))).up()
    assert not any("apply" in line for line in calls(log))


def test_a_modelmonitor_that_is_not_the_demos_is_not_removed(bench: Bench, log: Path) -> None:
    Current(bench(kubectl=namespaces({}), helm="")).down()
    removed = [line for line in calls(log) if "delete" in line or "uninstall" in line]
    assert [line.split()[1:4] for line in removed] == [["delete", "namespace", "flights"]]


def test_the_demos_own_modelmonitor_is_removed(bench: Bench, log: Path) -> None:
    Current(bench(kubectl=namespaces(OURS), helm="")).down()
    removed = [line for line in calls(log) if "delete" in line or "uninstall" in line]
    assert [" ".join(line.split()[:3]) for line in removed] == [
        "kubectl delete namespace",
        "helm uninstall modelmonitor",
        "kubectl delete namespace",
        "kubectl delete customresourcedefinition",
    ]


def test_a_build_that_fails_ends_the_story(bench: Bench) -> None:
    with pytest.raises(ImageError, match=r"docker build .* failed with code 3"):
        images.build_with_docker(Images("o:1", "c:1", "d:1"), bench(docker="exit 3"))


def test_the_tag_changes_with_what_enters_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "CHECKOUT", tmp_path)
    (tmp_path / "operator").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM a")
    first = images.version()
    (tmp_path / "README.txt").write_text("not part of it")
    assert images.version() == first
    (tmp_path / "operator" / "new.py").write_text("")
    assert images.version() != first
