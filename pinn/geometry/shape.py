"""What a shape in space promises; time, parameters and the names of regions are the geometry's."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from pinn.geometry.points import Points

Range = tuple[float, float]


@dataclass(frozen=True)
class Pick:
    """Which points of a boundary are meant.

    Args:
        coordinates: column of a coordinate → its range; low = high for one value.
        segments: numbers of the edges of a polygon, in the order of its points; None for all.
        where: points (N, d) → a mask (N,); None for all.
    """

    coordinates: Mapping[int, Range] = field(default_factory=dict)
    segments: tuple[int, ...] | None = None
    where: Callable[[Tensor], Tensor] | None = None


class Part(Protocol):
    """A piece of a shape that points are drawn on: its interior, or some of its boundary."""

    @property
    def measure(self) -> float:
        """Length, area or volume; 1 for a point."""

    @property
    def running(self) -> int:
        """How many numbers from 0 to 1 place a point."""

    @property
    def acceptance(self) -> float:
        """The share of the numbers that place a point; below 1 where the others are rejected."""

    def place(self, unit: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The points that numbers (N, running) in (0, 1) stand for, evenly in measure.

        Returns:
            Positions (M, d); on a boundary the outward unit normals (M, d); and which of the
            numbers placed a point, a mask (N,) with M true, or None where all did.
        """

    def rule(self, n: int) -> Points:
        """A quadrature with about n points; the weights have mean 1."""

    def distance(self, at: Tensor) -> Tensor:
        """The distance (N,) of points (N, d) from this piece, never negative."""


class Shape(ABC):
    """A closed set of positive measure in Rᵈ whose boundary consists of named parts.

    Attributes:
        dimensions: d.
        lower: lower bounds, one per coordinate of space; −∞ where there is none.
        upper: upper bounds.
        measure: length, area or volume.
        parts: name → the part of the boundary; under "" what has no name.
    """

    dimensions: int
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    @abstractmethod
    def measure(self) -> float:
        """Length, area or volume."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, Part]:
        """Name → the part of the boundary; under "" what has no name. Together: all of it."""

    @abstractmethod
    def contains(self, at: Tensor) -> Tensor:
        """Which of the points (N, d) lie in the closed shape: a mask (N,)."""

    @abstractmethod
    def distance(self, at: Tensor) -> Tensor:
        """The signed distance (N,) from the boundary: negative inside, its gradient the normal."""

    @abstractmethod
    def rule(self, n: int) -> Points:
        """A quadrature of the interior with about n points; the weights have mean 1."""

    @abstractmethod
    def pick(self, names: Sequence[str], choice: Pick) -> Part:
        """Some of the boundary: of the parts `names`, what `choice` says.

        Raises:
            ValueError: nothing is left.
        """
