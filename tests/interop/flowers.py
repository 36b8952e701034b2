"""The rows that every server is asked about: flowers, in quarters of a centimetre.

Quarters are exact in single precision too, and so are their sums: what was decoded can be compared
with what was sent to the last bit. Also read by the programs in the servers' own environments, so
nothing of ours is imported here.
"""

from typing import Final, TypeAlias

Row: TypeAlias = tuple[float, ...]

NAMES: Final = ("sepal length", "sepal width", "petal length", "petal width")
ROWS: Final[tuple[Row, ...]] = (
    (5.0, 3.5, 1.5, 0.25),
    (4.75, 3.0, 1.25, 0.5),
    (5.25, 3.75, 1.75, 0.0),
    (4.5, 3.25, 1.0, 0.75),
    (6.5, 2.75, 4.5, 1.25),
    (5.75, 2.5, 4.0, 1.0),
    (6.25, 3.0, 4.75, 1.5),
    (5.5, 2.25, 3.75, 1.25),
    (7.0, 3.25, 6.0, 2.25),
    (6.75, 2.5, 5.75, 2.0),
    (7.5, 3.0, 6.5, 2.5),
    (6.0, 2.75, 5.25, 1.75),
)
CLASSES: Final = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2)
