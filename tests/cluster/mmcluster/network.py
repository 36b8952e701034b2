"""Interfaces and routes: a bridge inside the control plane joins the nodes and the host.

The host gets one veth and a few routes, no firewall rule and no named namespace; all of it
disappears with the veth.

Every machine has a fixed hardware address: a bridge otherwise takes the lowest of its ports', which
changes when a machine dies, and its neighbours go on for half a minute sending to the old one.
"""

from . import machines
from .machines import Machine
from .settings import Settings
from .shell import Argument, ClusterError, attempt, run, succeeds

# The host among the machines: the control plane is 0, nodes count from 1.
_HOST_NUMBER = 254
# The end of the host's cable inside the control plane.
_HOST_PORT = "host0"


def host_interface(settings: Settings) -> str:
    """Return the name of the host's end of the veth into the cluster."""
    return f"{settings.name}-host"


def ensure(settings: Settings) -> None:
    """Create every interface and route that is missing."""
    control_plane = machines.control_plane(settings)
    _bridge(control_plane)
    _host(settings, control_plane)
    for node in machines.nodes(settings):
        _node(node, control_plane)


def remove(settings: Settings) -> None:
    """Remove what the host has; its routes go with the interface."""
    attempt("ip", "link", "delete", host_interface(settings))


def check_slot(settings: Settings) -> None:
    """Raise ``ClusterError`` if another cluster of this machine has the same addresses."""
    for line in run("ip", "-brief", "-4", "address", "show").splitlines():
        name, _, *addresses = line.split()
        taken = f"{settings.addresses.host}/24" in addresses
        if taken and name.partition("@")[0] != host_interface(settings):
            slot = settings.addresses.slot
            raise ClusterError(f"{name} uses the addresses of slot {slot}: choose another MM_SLOT")


def set_link(node: Machine, *, up: bool) -> None:
    """Plug a node's network cable in or pull it."""
    control_plane = machines.control_plane(node.settings)
    port = _port(node)
    run(*control_plane.network_command("ip", "link", "set", port, "up" if up else "down"))


def _port(node: Machine) -> str:
    return f"to-{node.name}"


def _ip(machine: Machine, *arguments: Argument) -> None:
    run(*machine.network_command("ip", *arguments))


def _has_link(machine: Machine, name: str) -> bool:
    return succeeds(*machine.network_command("ip", "link", "show", name))


def _bridge(control_plane: Machine) -> None:
    settings = control_plane.settings
    if not _has_link(control_plane, "br0"):
        hardware = _hardware_address(settings, control_plane.number)
        _ip(control_plane, "link", "add", "br0", "address", hardware, "type", "bridge")
    _ip(control_plane, "address", "replace", f"{control_plane.address}/24", "dev", "br0")
    _ip(control_plane, "link", "set", "br0", "up")
    # Services are translated after the route is looked up, so the API server needs a route to
    # call a webhook; without one the call fails and, with failurePolicy Ignore, nobody notices.
    _ip(control_plane, "route", "replace", settings.addresses.services, "dev", "br0")


def _host(settings: Settings, control_plane: Machine) -> None:
    name = host_interface(settings)
    holder = control_plane.holder()
    # Both ends: the kernel takes a dead machine's end away some time after the machine, and until
    # then the host's end is still there, leading nowhere.
    both = succeeds("ip", "link", "show", name) and _has_link(control_plane, _HOST_PORT)
    if holder and not both:
        remove(settings)
        own = (name, "address", _hardware_address(settings, _HOST_NUMBER))
        peer = ("peer", "name", _HOST_PORT, "netns", holder.pid)
        run("ip", "link", "add", *own, "type", "veth", *peer)
    _ip(control_plane, "link", "set", _HOST_PORT, "master", "br0", "up")
    run("ip", "address", "replace", f"{settings.addresses.host}/24", "dev", name)
    run("ip", "link", "set", name, "up")
    via = ("via", control_plane.address, "dev", name)
    run("ip", "route", "replace", settings.addresses.services, *via)


def _node(node: Machine, control_plane: Machine) -> None:
    addresses = node.settings.addresses
    port = _port(node)
    if not (_has_link(node, "eth0") and _has_link(control_plane, port)):
        _connect(node, control_plane)
    _ip(node, "address", "replace", f"{node.address}/24", "dev", "eth0")
    _ip(node, "link", "set", "eth0", "up")
    _ip(control_plane, "link", "set", port, "master", "br0", "up")
    # kubelet and kube-proxy want a default route; the control plane has none, so nothing leaves.
    _ip(node, "route", "replace", "default", "via", control_plane.address)
    for other in machines.nodes(node.settings):
        if other.number != node.number:
            pods = addresses.node_pods(other.number)
            _ip(node, "route", "replace", pods, "via", other.address)
    pods = addresses.node_pods(node.number)
    _ip(control_plane, "route", "replace", pods, "via", node.address)
    interface = host_interface(node.settings)
    run("ip", "route", "replace", pods, "via", node.address, "dev", interface)


def _connect(node: Machine, control_plane: Machine) -> None:
    inside, outside = node.holder(), control_plane.holder()
    if not (inside and outside):
        return
    attempt(*node.network_command("ip", "link", "delete", "eth0"))
    attempt(*control_plane.network_command("ip", "link", "delete", _port(node)))
    peer = ("peer", "name", _port(node), "netns", outside.pid)
    own = ("address", _hardware_address(node.settings, node.number), "netns", inside.pid)
    run("ip", "link", "add", "eth0", *own, "type", "veth", *peer)


def _hardware_address(settings: Settings, number: int) -> str:
    # The second bit of the first byte: administered locally, nobody's product.
    return f"02:4d:4d:00:{settings.addresses.slot:02x}:{number:02x}"
