"""What monitors may want of the pods in tests/injector/pods, beside renumbering."""

from modelmonitor.api.v1alpha1.collection import Source, TakeoverType
from modelmonitor.core.injection.capture import Capture, WantedPort
from modelmonitor.core.injection.takeover import Knob


def swap(name: str, **knob: str) -> WantedPort:
    return WantedPort(name, TakeoverType.SWAP, Knob(**knob))


BY_ARGUMENT = Capture((swap("http1", argument="--http_port"),))
BY_VARIABLES = Capture(
    (swap("http", variable="MLSERVER_HTTP_PORT"), swap("grpc", variable="MLSERVER_GRPC_PORT"))
)
BY_USER_PORT = Capture((WantedPort("user-port", TakeoverType.USER_PORT),))
BY_EVENTS = Capture((WantedPort("http"),), Source.CLOUD_EVENTS)

CASES = {
    "swap-argument": ("kserve-standard", BY_ARGUMENT),
    "swap-variables": ("mlserver", BY_VARIABLES),
    "user-port": ("knative", BY_USER_PORT),
    "cloud-events": ("kserve", BY_EVENTS),
}
