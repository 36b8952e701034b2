"""`modelmonitor status`: what people read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.kubernetes_cluster import KubernetesCluster
from modelmonitor.cli.status import Output, show_all, show_one
from modelmonitor.cli.status_view import age
from tests.cli.memory import MemoryCluster, Screen

NOW = 1_785_000_000.0  # 2026-07-25T17:20:00Z
MONITORS = Path(__file__).parent / "monitors"


def clock() -> float:
    return NOW


def monitor(name: str) -> dict[str, Any]:
    body = yaml.safe_load((MONITORS / f"{name}.yaml").read_text())
    assert isinstance(body, dict)
    return body


ALL = [path.stem for path in sorted(MONITORS.glob("*.yaml"))]


@pytest.mark.parametrize("name", ALL)
def test_one_monitor_looks_as_in_the_golden_file(
    golden: Callable[[str, bytes], None], name: str
) -> None:
    screen = Screen()
    body = monitor(name)
    cluster = MemoryCluster(bodies=[body])

    show_one(
        cluster,
        screen.console,
        body["metadata"]["namespace"],
        body["metadata"]["name"],
        Output.TEXT,
        clock,
    )

    golden(f"cli/status-{name}.txt", screen.text.encode())


def test_many_monitors_look_as_in_the_golden_file(golden: Callable[[str, bytes], None]) -> None:
    screen = Screen()
    cluster = MemoryCluster(bodies=[monitor(name) for name in ALL])

    show_all(cluster, screen.console, None, Output.TEXT, clock)

    golden("cli/status.txt", screen.text.encode())


def test_only_the_namespace_that_is_meant_is_listed() -> None:
    screen = Screen()
    elsewhere = monitor("fresh")
    elsewhere["metadata"]["namespace"] = "elsewhere"

    show_all(MemoryCluster(bodies=[elsewhere]), screen.console, "models", Output.TEXT, clock)

    assert screen.text == "No ModelMonitor in namespace models.\n"


def test_a_baseline_of_panes_is_named_with_its_period() -> None:
    screen = Screen()
    body = monitor("critical")
    learned = {"digest": f"sha256:{'9' * 64}", "since": "2026-07-17T17:00:00Z"}
    body["status"]["baseline"]["learned"] = {**learned, "until": "2026-07-24T17:00:00Z"}

    cluster = MemoryCluster(bodies=[body])
    show_one(cluster, screen.console, "models", "flight-delay", Output.TEXT, clock)

    words = " ".join(screen.text.split())
    assert f"sha256:{'9' * 64}, 48,211 rows of 2026-07-17T17:00:00Z to" in words


def test_json_is_the_object_as_the_api_server_has_it() -> None:
    screen = Screen()
    cluster = MemoryCluster(bodies=[monitor("critical")])

    show_one(cluster, screen.console, "models", "flight-delay", Output.JSON, clock)

    assert json.loads(screen.text) == monitor("critical")


def test_json_of_many_is_a_list() -> None:
    screen = Screen()
    bodies = [monitor("critical"), monitor("fresh")]

    show_all(MemoryCluster(bodies=bodies), screen.console, None, Output.JSON, clock)

    assert json.loads(screen.text) == {"apiVersion": "v1", "kind": "List", "items": bodies}


def test_a_monitor_of_another_version_is_refused_in_words() -> None:
    body = monitor("fresh")
    del body["spec"]["targetRef"]

    with pytest.raises(CommandError, match=r"models/credit-risk is not readable .*targetRef"):
        show_one(
            MemoryCluster(bodies=[body]),
            Screen().console,
            "models",
            "credit-risk",
            Output.TEXT,
            clock,
        )


@pytest.mark.parametrize(
    ("since", "words"),
    [
        ("2026-07-25T17:19:59Z", "1s"),
        ("2026-07-25T17:18:30Z", "90s"),
        ("2026-07-25T17:17:00Z", "3m"),
        ("2026-07-25T15:30:00Z", "110m"),
        ("2026-07-25T14:20:00Z", "3h"),
        ("2026-07-21T17:20:00Z", "4d"),
        ("2026-07-25T17:20:05Z", "0s"),
    ],
)
def test_ages_have_one_unit_and_are_never_negative(since: str, words: str) -> None:
    assert age(since, NOW) == words


def test_a_cluster_that_does_not_answer_is_told_without_the_library_s_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(CommandError) as caught:
        KubernetesCluster(None).monitors("models")
    assert "kubectl config current-context" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "Max retries" not in str(caught.value)
