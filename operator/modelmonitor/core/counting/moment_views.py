"""How rows become vectors: what configurations and profiles say of it, without computing any."""

import msgspec


class Projection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an embedding becomes random features."""

    dimensions: int
    features: int
    seed: int = 0
    bandwidth: float = 1.0
    """Of the Gaussian kernel, in the unit of distances between embeddings."""


class MomentView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a row becomes a vector."""

    name: str
    """Under which panes count it; of an embedding, the name of the input."""
    columns: list[str]
    """Inputs: numeric ones, or the one that holds the embedding."""
    centre: list[float] = []
    """What is taken off each column."""
    scale: list[float] = []
    """What each column is then divided by; above 0."""
    components: list[float] = []
    """Principal components of the standardised columns, one after the other, orthonormal."""
    projection: Projection | None = None
    """Set for embeddings."""

    @property
    def width(self) -> int:
        """Length of the vector."""
        return self.projection.features if self.projection else len(self.columns)
