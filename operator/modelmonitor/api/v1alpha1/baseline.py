"""The baseline: what normal looks like, and where its profile comes from."""

from enum import StrEnum

from pydantic import Field

from modelmonitor.api.v1alpha1.base import ApiModel, SubdomainName
from modelmonitor.api.v1alpha1.rules import rule


class BaselineType(StrEnum):
    """Where the baseline profile comes from."""

    CONFIG_MAP = "ConfigMap"


class Seasonality(StrEnum):
    """Which cells of the baseline are compared with."""

    NONE = "None"


class ConfigMapRef(ApiModel):
    """A ConfigMap in the monitor's namespace."""

    name: SubdomainName = Field(
        description="Name of the ConfigMap; its key profile.json holds the baseline profile."
    )


class Baseline(ApiModel):
    """What normal looks like; `type` says which member holds the reference."""

    type: BaselineType = Field(description="Where the baseline profile comes from.")
    config_map: ConfigMapRef | None = Field(
        default=None, description="Reference of type ConfigMap, required there."
    )
    seasonality: Seasonality = Field(
        default=Seasonality.NONE, description="None: one baseline for all hours."
    )

    @rule(
        "(self.type == 'ConfigMap') == has(self.configMap)",
        "configMap belongs to type ConfigMap and is required there",
        at=".configMap",
    )
    def _config_map_fits_type(self) -> bool:
        return (self.type is BaselineType.CONFIG_MAP) == (self.config_map is not None)
