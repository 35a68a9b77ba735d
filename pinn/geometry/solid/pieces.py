"""Pieces of the boundary of a solid: whole patches, triangles, and patches that were cut."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Protocol

import numpy as np

from pinn.geometry import sampling
from pinn.geometry.solid.curved import Curved
from pinn.geometry.solid.fitting import Scaled, exponents, fitted, surface_columns
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.nearest import Nearest
from pinn.geometry.solid.patches import Patch, Rule
from pinn.geometry.solid.triangles import Triangles

TRIES = 24
Accept = Callable[[Array, Array], np.ndarray]  # points and normals (N, 3) → a mask (N,)


class Piece(Protocol):
    """A piece of a boundary with outward normals."""

    @property
    def area(self) -> float:
        """The area."""

    @property
    def drawn(self) -> float:
        """The area that points are drawn on before some of them are rejected."""

    def place(self, unit: Array) -> tuple[Array, Array, np.ndarray]:
        """The points and normals (M, 3) of numbers (N, 2), and which placed one: a mask (N,)."""

    def rule(self, n: int) -> Rule:
        """A quadrature with about n points; the weights sum to the area."""

    def moments(self, scaled: Scaled, degree: int) -> Array:
        """∫ p, ∫ p n₁, ∫ p n₂ and ∫ p n₃ of the monomials p: (M, 4)."""

    def distance(self, at: Array) -> Array:
        """The distance (N,) of points (N, 3)."""


class Whole:
    """A patch that is uncut.

    Args:
        patch: in closed form, or triangles.
        sign: −1 where the normals of the patch point into the solid.
    """

    def __init__(self, patch: Patch, sign: int) -> None:
        self.patch, self.sign = patch, sign
        self.area = self.drawn = patch.area

    def place(self, unit: Array) -> tuple[Array, Array, np.ndarray]:
        """See `Piece.place`."""
        at, normal = self.patch.place(unit)
        return at, self.sign * normal, np.ones(len(unit), dtype=bool)

    def rule(self, n: int) -> Rule:
        """See `Patch.rule`."""
        at, normal, weight = self.patch.rule(n)
        return at, self.sign * normal, weight

    def moments(self, scaled: Scaled, degree: int) -> Array:
        """Of a rule that is exact for them."""
        total: Array = np.zeros((len(exponents(degree)), 4))
        rules: Iterable[Rule] = [self.patch.rule(2 * (degree + 2) ** 2)]
        if isinstance(self.patch, Triangles):
            rules = self.patch.portions(degree // 2 + 1)
        for at, normal, weight in rules:
            columns = surface_columns(scaled, at, self.sign * normal, degree)
            total += (weight @ columns).reshape(-1, 4)
        return total

    def distance(self, at: Array) -> Array:
        """Exact."""
        return self.patch.distance(at)


class Cut:
    """What is left of a patch.

    Points are drawn on the patch, and rejected where it was cut off. The rule has such points, with
    weights that integrate p and p n for polynomials p up to degree 4 as the curved triangles do; a
    lower degree where the points are few.

    Args:
        patch: what was cut.
        sign: −1 where the normals of the patch point into the solid.
        accept: which points belong to the piece.
        curved: the boundary of the solid.
        faces: the numbers of the triangles of the piece.
    """

    def __init__(
        self, patch: Patch, sign: int, accept: Accept, curved: Curved, faces: np.ndarray
    ) -> None:
        self.patch, self.sign, self.accept = patch, sign, accept
        self.curved, self.faces = curved, faces
        self.drawn = patch.area

    @cached_property
    def area(self) -> float:
        """The area, by the curved triangles."""
        return float(sum(size.sum() for _, _, size in self.curved.elements(self.faces, 3)))

    def place(self, unit: Array) -> tuple[Array, Array, np.ndarray]:
        """See `Piece.place`."""
        at, normal = self.patch.place(unit)
        kept = self.accept(at, normal)
        return at[kept], self.sign * normal[kept], kept

    def rule(self, n: int) -> Rule:
        """n points; see the class."""
        at, normal = drawn(self, n, self.area / self.drawn)
        nodes = self.curved.nodes(self.faces)
        scaled = Scaled.about(nodes.min((0, 1)), nodes.max((0, 1)))
        moments = self.moments(scaled, 4)
        weights = fitted(
            lambda degree: surface_columns(scaled, at, normal, degree),
            lambda degree: moments[: len(exponents(degree))].ravel(),
        )
        return at, normal, weights

    def moments(self, scaled: Scaled, degree: int) -> Array:
        """By the curved triangles."""
        powers = exponents(degree)
        total = np.zeros((len(powers), 4))
        for at, vector, size in self.curved.elements(self.faces, 5):
            factors = np.concatenate([size[:, None], vector], axis=1)
            total += scaled.monomials(at, powers).T @ factors
        return total

    @cached_property
    def _nearest(self) -> Nearest:
        corners, middles = np.split(self.curved.nodes(self.faces), 2, axis=1)
        a, b, c = np.moveaxis(corners, 1, 0)
        ab, bc, ca = np.moveaxis(middles, 1, 0)
        parts = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        return Nearest(np.concatenate([np.stack(part, axis=1) for part in parts]))

    def distance(self, at: Array) -> Array:
        """From flat triangles with corners on the piece: off by at most 1e-3 of its radius."""
        return self._nearest.distance(at)


def drawn(piece: Piece, n: int, share: float) -> tuple[Array, Array]:
    """n points of a piece, and the normals there, by rejection.

    Args:
        piece: places points.
        n: how many.
        share: of the numbers that place a point, about.

    Raises:
        ValueError: hardly any of the numbers do.
    """
    tries = int(1.1 * n / share) + 16
    for _ in range(TRIES):
        at, normal, _ = piece.place(sampling.unit_points(tries, 2, "sobol", 0).numpy())
        if len(at) >= n:
            return at[:n], normal[:n]
        tries *= 2
    raise ValueError(f"no {n} points were found among {tries // 2}: a piece is too thin")
