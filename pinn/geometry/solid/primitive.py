"""What a solid is made of promises: its pieces, its distance, its triangles."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinn.geometry.solid.motion import Array, Motion
from pinn.geometry.solid.patches import Patch
from pinn.geometry.solid.quadrics import Quadrics


@dataclass(frozen=True, eq=False)
class Tessellation:
    """Triangles with their corners on a boundary, seen from outside counter-clockwise.

    Args:
        vertices: (V, 3).
        faces: numbers of vertices (F, 3).
        piece: of the primitive, one per face (F,).
        surface: of the primitive's `quadrics`, one per face (F,).
    """

    vertices: Array
    faces: np.ndarray
    piece: np.ndarray
    surface: np.ndarray


class Primitive(ABC):
    """A ball, cylinder, box, half-space or surface: a leaf of a tree of booleans.

    Attributes:
        lower: lower bounds (3,).
        upper: upper bounds (3,).
        pieces: the name and the patch of each piece; None for a patch without bounds.
        quadrics: what the pieces lie on.
    """

    lower: Array
    upper: Array
    pieces: Sequence[tuple[str, Patch | None]]
    quadrics: Quadrics

    @property
    def lasting(self) -> bool:
        """Whether its pieces keep their names where it is the second operand."""
        return True

    @property
    @abstractmethod
    def volume(self) -> float:
        """The volume; infinite for a half-space."""

    @abstractmethod
    def tessellation(self, lower: Array, upper: Array) -> Tessellation:
        """Its triangles; of a half-space, those of a box that agrees with it between bounds."""

    @abstractmethod
    def distance(self, at: Array) -> Array:
        """The signed distance (N,) of points (N, 3), exact, negative inside."""

    def contains(self, at: Array, slack: float = 0.0) -> np.ndarray:
        """Which points have a signed distance of at most `slack`: a mask (N,)."""
        return self.distance(at) <= slack

    @abstractmethod
    def moved(self, motion: Motion) -> "Primitive":
        """The same elsewhere, turned, or in another size."""

    def interior(self, n: int) -> tuple[Array, Array] | None:
        """About n points of an exact quadrature, and weights of any sum; None if there is none."""
        return None
