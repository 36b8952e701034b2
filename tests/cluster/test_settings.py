"""Names, folders and addresses of clusters."""

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from tests.cluster.mmcluster.settings import SLOTS, Addresses, Settings, from_environment

RESERVED_FOR_TESTS = IPv4Network("198.18.0.0/15")
SLOT_NUMBERS = range(SLOTS)


def networks(addresses: Addresses) -> list[str]:
    return [f"198.18.{addresses.slot}.0/24", addresses.pods, addresses.services]


@pytest.mark.parametrize("slot", SLOT_NUMBERS)
def test_a_cluster_stays_within_the_range_reserved_for_tests(slot: int) -> None:
    for network in networks(Addresses(slot)):
        assert IPv4Network(network).subnet_of(RESERVED_FOR_TESTS)


def test_no_two_networks_of_any_clusters_overlap() -> None:
    everything = [IPv4Network(n) for slot in SLOT_NUMBERS for n in networks(Addresses(slot))]
    overlapping = [(a, b) for a, b in combinations(everything, 2) if a.overlaps(b)]
    assert overlapping == []


@pytest.mark.parametrize("slot", SLOT_NUMBERS)
def test_every_address_lies_in_its_network(slot: int) -> None:
    addresses = Addresses(slot)
    nodes, pods, services = map(IPv4Network, networks(addresses))
    assert {IPv4Address(addresses.control_plane), IPv4Address(addresses.host)} < set(nodes.hosts())
    assert IPv4Address(addresses.kubernetes_service) == services[1]
    assert IPv4Address(addresses.dns_service) in services
    for number in range(1, 16):
        assert IPv4Address(addresses.node(number)) in nodes
        assert IPv4Network(addresses.node_pods(number)).subnet_of(pods)


def test_the_environment_chooses_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = {"CLUSTER": "other", "SLOT": "3", "NODES": "5", "STATE": "/s", "CACHE": "/c"}
    for name, value in chosen.items():
        monkeypatch.setenv(f"MM_{name}", value)
    assert from_environment() == Settings(
        name="other", addresses=Addresses(3), node_count=5, cache=Path("/c"), state=Path("/s")
    )


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MM_CLUSTER", "much-too-long", "use 1 to 10 letters and digits"),
        ("MM_SLOT", "8", "use a number from 0 to 7"),
        ("MM_NODES", "0", "use a number from 1 to 15"),
    ],
)
def test_nonsense_is_refused_with_what_to_write_instead(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=message):
        from_environment()
