"""Solids in space: primitives, and what unions, intersections and differences make of them."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

import numpy as np
from torch import Tensor

from pinn.geometry import sampling
from pinn.geometry.points import Points
from pinn.geometry.shape import Part, Pick, Shape
from pinn.geometry.solid import booleans
from pinn.geometry.solid.curved import Curved
from pinn.geometry.solid.fitting import Scaled, exponents, fitted
from pinn.geometry.solid.motion import Array, frame
from pinn.geometry.solid.parts import SurfacePart, array, tensor
from pinn.geometry.solid.patches import Patch, Rectangle
from pinn.geometry.solid.pieces import Cut, Piece, Whole
from pinn.geometry.solid.quadrics import PLANE
from pinn.geometry.solid.tree import Leaf, Tree, names
from pinn.geometry.solid.triangles import Triangles

ROUNDING = 1e-12  # of the size: what counts as on the boundary
NUDGE = 1e-7  # of the size: how far from a surface both of its sides are looked at
BULGE = 2e-3  # of the size: how far a round piece may stand out of its triangles


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
            low, high = self._bounds()
        else:
            low, high = tree.bounds
        self.lower, self.upper = tuple(map(float, low)), tuple(map(float, high))

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
        found = {
            name: [piece for own, piece in self.pieces if own == name] for name in names(self.tree)
        }
        found[""] = found.pop("", [])
        return {name: SurfacePart(own) for name, own in found.items() if own}

    @cached_property
    def pieces(self) -> list[tuple[str, Piece]]:
        """All pieces of the boundary that are left, each with its name."""
        if isinstance(self.tree, Leaf) and self.tree.bounded:
            own = zip(self.tree.names, self.tree.primitive.pieces, strict=True)
            return [(name, Whole(patch, 1)) for name, (_, patch) in own if patch is not None]
        mesh = self.curved.mesh
        found: list[tuple[str, Piece]] = []
        for k, (leaf, sign) in enumerate(self.tree.leaves()):
            own = mesh.leaf == k
            whole = self._is_whole(k, leaf)
            for number, (name, (_, patch)) in enumerate(
                zip(leaf.names, leaf.primitive.pieces, strict=True)
            ):
                faces = np.flatnonzero(own & (mesh.piece == number))
                if whole and patch is not None:
                    found.append((name, Whole(patch, sign)))
                elif len(faces):
                    found += [(name, p) for p in self._piece(leaf, number, sign, patch, faces)]
        return found

    def _is_whole(self, k: int, leaf: Leaf) -> bool:
        """Whether nothing of a leaf's boundary was cut off."""
        mesh, first = self.curved.mesh, leaf.kept["tessellation"]
        own = mesh.leaf == k
        area = float(Triangles(mesh.vertices[mesh.faces[own]]).area) if own.any() else 0.0
        before = Triangles(first.vertices[first.faces]).area
        return leaf.bounded and abs(area - before) <= 1e-10 * before

    def _piece(
        self, leaf: Leaf, number: int, sign: int, patch: Patch | None, faces: np.ndarray
    ) -> list[Piece]:
        """What is left of a patch: its straight triangles, and what round ones cut."""
        if isinstance(patch, Triangles) or self.curved.straight[faces].all():
            corners = self.curved.vertices[self.curved.mesh.faces[faces]]
            return [Whole(Triangles(corners), 1)]
        kind = leaf.primitive.quadrics.kind[number]
        if patch is None or kind == PLANE:
            patch = self._rectangle(leaf.primitive.quadrics.axis[number], faces)
        accept = partial(self._remains, leaf, number)
        return [Cut(patch, sign, accept, self.curved, faces)]

    def _rectangle(self, normal: Array, faces: np.ndarray) -> Rectangle:
        """A rectangle about flat faces."""
        nodes = self.curved.nodes(faces).reshape(-1, 3)
        axes = frame(normal)
        local = nodes @ axes.T
        low, high = local.min(0), local.max(0)
        margin = BULGE * (high - low)[:2].max()
        low[:2] -= margin
        high[:2] += margin
        return Rectangle(low @ axes, (high - low)[:2, None] * axes[:2], normal)

    def _remains(self, leaf: Leaf, number: int, at: Array, normal: Array) -> np.ndarray:
        """Which points on a patch are on the boundary: one side of them inside, the other not."""
        step = NUDGE * self.size * normal
        own = leaf.primitive.contains(at - step) & ~leaf.primitive.contains(at + step)
        rows = np.flatnonzero(own)
        inner, outer = (self.tree.contains(at[rows] + s * step[rows]) for s in (-1, 1))
        own[rows] = inner != outer
        return own

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
        if choice != Pick():
            raise ValueError("a part of a solid is picked by its name alone")
        return SurfacePart([piece for name, piece in self.pieces if name in names])
