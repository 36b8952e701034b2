"""What the commands ask of a cluster."""

from collections.abc import Mapping
from typing import Any, Protocol

Body = dict[str, Any]


class Cluster(Protocol):
    """What the commands ask of a cluster; every method raises `CommandError`."""

    @property
    def namespace(self) -> str:
        """The namespace that is meant where none is given."""
        ...

    def monitors(self, namespace: str | None) -> list[Body]:
        """Return the monitors of one namespace, or of all for None."""
        ...

    def monitor(self, namespace: str, name: str) -> Body:
        """Return one monitor."""
        ...

    def apply_config_map(
        self, namespace: str, name: str, data: Mapping[str, str], *, force: bool
    ) -> None:
        """Apply the data of a ConfigMap; `force` takes fields over from their managers."""
        ...
