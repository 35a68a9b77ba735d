"""A piece of a boundary made of flat triangles."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from pinn.geometry import sampling
from pinn.geometry.solid.fitting import DEGREE, Scaled, exponents, fitted, surface_columns
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.nearest import Nearest
from pinn.geometry.solid.patches import Rule, gauss

CHUNK = 2**14  # triangles at a time
FINEST = 24  # Gauss points per side of a triangle


class Triangles:
    """Flat triangles; the normal is on the side from which the corners run counter-clockwise.

    Args:
        corners: (F, 3, 3).
    """

    def __init__(self, corners: Array) -> None:
        crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        twice = np.linalg.norm(crossed, axis=1)
        flat = twice > 0
        self.corners, self.areas = corners[flat], 0.5 * twice[flat]
        self.normals = crossed[flat] / twice[flat, None]
        self._ends = np.concatenate([[0.0], np.cumsum(self.areas)])

    @property
    def area(self) -> float:
        """The area."""
        return float(self._ends[-1])

    def place(self, unit: Array) -> tuple[Array, Array]:
        """The first number says which triangle, and where on it; the square root evens it out."""
        reached = unit[:, 0] * self.area
        which = np.searchsorted(self._ends[1:-1], reached, side="right")
        rest = ((reached - self._ends[which]) / self.areas[which]).clip(0, 1)
        a, b = np.sqrt(rest), unit[:, 1]
        shares = np.stack([1 - a, a * (1 - b), a * b], axis=1)
        return (shares[:, :, None] * self.corners[which]).sum(1), self.normals[which]

    def rule(self, n: int) -> Rule:
        """Gauss points on each triangle, the more the larger it is.

        Where n is smaller than the number of triangles, n points spread evenly. Either way, the
        weights integrate polynomials up to degree 4, and those times the normal, exactly; a lower
        degree where the points are few (see `fitted`).
        """
        scaled = Scaled.about(self.corners.min((0, 1)), self.corners.max((0, 1)))
        start = None
        if n >= len(self.areas):
            orders = np.sqrt(n * self.areas / self.area).round().clip(1, FINEST).astype(int)
            rules = [self.gauss(m, orders == m) for m in np.unique(orders)]
            at, normal, start = (np.concatenate(each) for each in zip(*rules, strict=True))
            if 2 * orders.min() - 1 >= DEGREE:
                return at, normal, start
        else:
            at, normal = self.place(sampling.unit_points(n, 2, "sobol", 0).numpy())
        moments = np.zeros(4 * len(exponents(DEGREE)))
        for fine, own, weight in self.portions(DEGREE // 2 + 1):
            moments += weight @ surface_columns(scaled, fine, own, DEGREE)
        weights = fitted(
            lambda degree: surface_columns(scaled, at, normal, degree),
            lambda degree: moments[: 4 * len(exponents(degree))],
            start,
        )
        return at, normal, weights

    def portions(self, m: int) -> Iterator[Rule]:
        """m² points on each of the triangles, in portions; see `gauss`."""
        for start in range(0, len(self.areas), CHUNK):
            yield self.gauss(m, np.arange(start, min(start + CHUNK, len(self.areas))))

    def gauss(self, m: int, chosen: np.ndarray) -> Rule:
        """m² points on each of the chosen triangles: exact for polynomials of degree 2m − 1."""
        shares, weight = collapsed(m)
        at = np.einsum("qk,fkx->fqx", shares, self.corners[chosen]).reshape(-1, 3)
        weights = np.outer(self.areas[chosen], weight).ravel()
        return at, np.repeat(self.normals[chosen], m * m, axis=0), weights

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(self.corners)

    def distance(self, at: Array) -> Array:
        """To the nearest point of the triangles."""
        return self._nearest.distance(at)

    def near(self, at: Array, reach: float) -> np.ndarray:
        """Which points are at most `reach` away: a mask (N,)."""
        return self._nearest.within(at, reach)


def collapsed(m: int) -> tuple[Array, Array]:
    """Gauss points of a square, collapsed to a triangle, exact for polynomials of degree 2m − 1.

    Returns:
        Barycentric coordinates (m², 3) and weights (m²,) of sum 1.
    """
    from scipy.special import roots_jacobi

    jacobi, own = roots_jacobi(m, 1, 0)
    u, (v, weight) = 0.5 * (1 + jacobi), gauss(m)
    first = np.repeat(u, m)
    second = (1 - first) * np.tile(v, m)
    shares = np.stack([1 - first - second, first, second], axis=1)
    return shares, np.outer(own / own.sum(), weight).ravel()
