"""Solids in space: primitives, and what unions, intersections and differences make of them."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from torch import Tensor

from pinn.geometry import sampling
from pinn.geometry.points import Points
from pinn.geometry.shape import Part, Pick, Shape
from pinn.geometry.solid import booleans
from pinn.geometry.solid.assembly import BULGE, Assembly, Named
from pinn.geometry.solid.curved import Curved
from pinn.geometry.solid.fitting import Scaled, exponents, fitted
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.parts import SurfacePart, array, tensor
from pinn.geometry.solid.picking import Picking
from pinn.geometry.solid.pieces import Whole
from pinn.geometry.solid.quadrics import PLANE
from pinn.geometry.solid.tree import Leaf, Tree

ROUNDING = 1e-12  # of the size: what counts as on the boundary


class Solid(Shape):
    """A shape in space.

    A single ball, cylinder or box has exact rules and distances, and its triangles are not needed.
    Of a boolean, points and normals are those of the primitives; areas, volumes and moments come
    from curved triangles (`Curved`).

    Args:
        tree: the primitives, and how they are joined.

    Raises:
        ValueError: nothing is left.
        ModuleNotFoundError: it is a boolean, and manifold3d is not installed.
    """

    dimensions = 3

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        if tree.bounded and not isinstance(tree, Leaf):
            booleans.manifold(tree, *tree.bounds)

    @cached_property
    def _ends(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        single = isinstance(self.tree, Leaf) or not self.tree.bounded
        low, high = self.tree.bounds if single else self._bounds()
        return tuple(map(float, low)), tuple(map(float, high))

    @property
    def lower(self) -> tuple[float, ...]:  # type: ignore[override]
        """Lower bounds; −∞ where there is none."""
        return self._ends[0]

    @property
    def upper(self) -> tuple[float, ...]:  # type: ignore[override]
        """Upper bounds."""
        return self._ends[1]

    @cached_property
    def curved(self) -> Curved:
        """The boundary in triangles."""
        if not self.tree.bounded:
            raise ValueError(
                "the solid is unbounded: a half-space has to be cut with a bounded solid, such as "
                "a box, by an intersection"
            )
        return Curved(booleans.mesh(self.tree))

    @cached_property
    def size(self) -> float:
        """The largest extent."""
        return max(high - low for low, high in zip(self.lower, self.upper, strict=True))

    @property
    def measure(self) -> float:
        """The volume; infinite for a half-space."""
        if isinstance(self.tree, Leaf):
            return self.tree.primitive.volume
        return self._volume if self.tree.bounded else math.inf

    @cached_property
    def _volume(self) -> float:
        return float(self._volumes(0)[0]) * self._scaled.size**3

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """Name → the part of the boundary; "" last."""
        found = {name: [piece for own, piece in self.pieces if own == name] for name in self._names}
        found[""] = found.pop("", [])
        return {name: SurfacePart(own) for name, own in found.items() if own}

    @property
    def _names(self) -> list[str]:
        """The names of the pieces, each once, in order."""
        return list(dict.fromkeys(name for leaf, _ in self.tree.leaves() for name in leaf.names))

    @cached_property
    def pieces(self) -> Named:
        """All pieces of the boundary that are left, each with its name."""
        if isinstance(self.tree, Leaf) and self.tree.bounded:
            own = zip(self.tree.names, self.tree.primitive.pieces, strict=True)
            return [(name, Whole(patch, 1)) for name, (_, patch) in own if patch is not None]
        return Assembly(self.tree, self.curved, self.size).pieces()

    def _bounds(self) -> tuple[Array, Array]:
        """Those of the tree where they are reached, else those of the triangles, with a margin."""
        wide_low, wide_high = self.tree.bounds
        curved = self.curved
        nodes = np.concatenate([curved.vertices, curved.middles])
        low, high = nodes.min(0), nodes.max(0)
        margin = BULGE * (high - low).max()
        round_ = curved.mesh.quadrics.kind[curved.mesh.surface] != PLANE
        own = curved.nodes(np.flatnonzero(round_)).reshape(-1, 3)
        if len(own):
            low = np.where(own.min(0) <= low, low - margin, low)
            high = np.where(own.max(0) >= high, high + margin, high)
        margin = margin if len(own) else 1e-12 * margin
        low = np.where(low <= wide_low + margin, wide_low, low)
        return low, np.where(high >= wide_high - margin, wide_high, high)

    def contains(self, at: Tensor) -> Tensor:
        """Exact, whatever the triangles are; see `Shape.contains`."""
        slack = ROUNDING * self.size if self.tree.bounded else 0.0
        return tensor(self.tree.contains(array(at), slack)).to(at.device)

    def distance(self, at: Tensor) -> Tensor:
        """Exact for a primitive; for a boolean the sign is exact, the value a lower bound."""
        return tensor(self.tree.distance(array(at))).to(at)

    @cached_property
    def _scaled(self) -> Scaled:
        return Scaled.about(np.array(self.lower), np.array(self.upper))

    def _volumes(self, degree: int) -> Array:
        """∫ ((x − c)/s)^α dV / s³ for |α| ≤ degree, by the divergence theorem (M,)."""
        moments = np.sum([p.moments(self._scaled, degree + 1) for _, p in self.pieces], axis=0)
        powers = exponents(degree + 1)
        number = {tuple(row): k for k, row in enumerate(powers)}
        found = []
        for a, b, c in exponents(degree):
            found.append(moments[number[a + 1, b, c], 1] / (a + 1))
        return np.array(found) / self._scaled.size**2

    def rule(self, n: int) -> Points:
        """A quadrature of the interior; the weights have mean 1 and are positive.

        Ball, cylinder and box: a product of Gauss rules. Otherwise n Sobol points, with weights
        that integrate polynomials of degree 4 as the boundary has it by the divergence theorem; a
        lower degree where the points are few.
        """
        exact = self.tree.primitive.interior(n) if isinstance(self.tree, Leaf) else None
        if exact is None:
            at = self._inside(n)
            moments = self._volumes(4)
            weights = fitted(
                lambda degree: self._scaled.monomials(at, exponents(degree)),
                lambda degree: moments[: len(exponents(degree))],
            )
        else:
            at, weights = exact
        return Points(tensor(at), weights=tensor(weights * (len(at) / math.fsum(weights))))

    def _inside(self, n: int) -> Array:
        """n Sobol points of the interior."""
        low, high = np.array(self.lower), np.array(self.upper)
        tries = int(1.1 * n * float((high - low).prod()) / self.measure) + 16
        for _ in range(16):
            unit = sampling.unit_points(tries, 3, "sobol", 0).numpy()
            at = low + (high - low) * unit
            at = at[self.tree.contains(at, -ROUNDING * self.size)]
            if len(at) >= n:
                return at[:n]
            tries *= 2
        raise ValueError(f"no {n} points were found among {tries // 2}: the solid is too thin")

    def pick(self, names: Sequence[str], choice: Pick) -> Part:
        """See `Shape.pick`."""
        picking = Picking(self.tree, lambda: self.curved, self.size)
        return picking.part(self.pieces, names, choice)
