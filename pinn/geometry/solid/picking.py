"""Some of the boundary of a solid, picked by coordinates or by a function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pinn.geometry.shape import Pick, Range
from pinn.geometry.solid.assembly import Assembly, Named
from pinn.geometry.solid.chosen import Chosen
from pinn.geometry.solid.clipping import clipped
from pinn.geometry.solid.curved import Curved
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.parts import SurfacePart
from pinn.geometry.solid.patches import Disc, Rectangle
from pinn.geometry.solid.pieces import Cut, Piece, Whole
from pinn.geometry.solid.tree import Tree
from pinn.geometry.solid.triangles import Triangles

AXES = "xyz"
SLACK = 1e-9  # of the size: how far from a plane a flat piece may be that lies on it


class Picking:
    """Picks parts of a boundary.

    Args:
        tree: the solid.
        curved: makes its boundary in triangles.
        size: its largest extent.
    """

    def __init__(self, tree: Tree, curved: Callable[[], Curved], size: float) -> None:
        self.tree, self.curved, self.size = tree, curved, size

    def part(self, pieces: Named, names: Sequence[str], choice: Pick) -> SurfacePart:
        """Of the pieces with some names, what a choice means.

        One value of a coordinate picks the flat pieces on that plane. A range cuts pieces at its
        ends, exactly where they are flat. A function is looked at at 20 000 points per piece, so
        areas are right to about 1e-3.

        Raises:
            ValueError: nothing is left, or edges are picked, which a solid does not number.
        """
        if choice.segments is not None:
            raise ValueError(
                f"edges {choice.segments} are those of a polygon: pick the boundary of a solid by "
                "names, coordinates or a function"
            )
        ranges = {axis: r for axis, r in choice.coordinates.items() if r[0] < r[1]}
        before = [piece for name, piece in pieces if name in names]
        left = before
        if ranges and before:
            left = [piece for name, piece in self._between(ranges) if name in names]
        for axis, (low, high) in choice.coordinates.items():
            if not low < high:
                left = [p for piece in left for p in flat(piece, axis, low, SLACK * self.size)]
        if choice.where is not None:
            picked = [Chosen(piece, choice.where) for piece in left]
            left = [piece for piece in picked if piece.area > 0]
        if not left:
            raise ValueError(self._nothing(names, choice))
        return SurfacePart(left)

    def _between(self, ranges: Mapping[int, Range]) -> Named:
        """The pieces of the boundary between planes."""
        curved = self.curved()
        mesh = replace(curved.mesh, vertices=curved.vertices)
        for axis, (low, high) in ranges.items():
            mesh = clipped(mesh, axis, low, True, SLACK * self.size)
            mesh = clipped(mesh, axis, high, False, SLACK * self.size)

        def within(at: Array) -> np.ndarray:
            inside = [(at[:, k] >= low) & (at[:, k] <= high) for k, (low, high) in ranges.items()]
            return np.logical_and.reduce(inside)

        return Assembly(self.tree, Curved(mesh), self.size, within).pieces()

    def _nothing(self, names: Sequence[str], choice: Pick) -> str:
        """Why nothing is left, in one line."""
        if choice.where is not None:
            return "the function is true nowhere on this part of the boundary"
        ends = [
            f"{AXES[axis]} = {low:g}" + (f" to {high:g}" if low < high else "")
            for axis, (low, high) in choice.coordinates.items()
        ]
        mesh = self.curved().mesh
        labels = [leaf.names for leaf, _ in self.tree.leaves()]
        own = [labels[k][n] in names for k, n in zip(mesh.leaf, mesh.piece, strict=True)]
        at = self.curved().vertices[mesh.faces[own]].reshape(-1, 3)
        if not len(at):
            return f"no part of the boundary is called {' or '.join(map(repr, names))}"
        reach = [
            f"{AXES[axis]} = {at[:, axis].min():g} to {at[:, axis].max():g}"
            for axis in choice.coordinates
        ]
        one = any(low == high for low, high in choice.coordinates.values())
        what = "flat piece" if one else "part"
        return f"no {what} of this boundary lies at {', '.join(ends)}: it has {', '.join(reach)}"


def flat(piece: Piece, axis: int, value: float, slack: float) -> list[Piece]:
    """What of a piece lies on a plane x = value: it, those of its triangles, or nothing."""
    if isinstance(piece, Cut):
        reached = piece.curved.nodes(piece.faces)[..., axis]
        return [piece] if (np.abs(reached - value) <= slack).all() else []
    patch = piece.patch if isinstance(piece, Whole) else None
    if isinstance(piece, Whole) and isinstance(patch, Triangles):
        own = (np.abs(patch.corners[..., axis] - value) <= slack).all(1)
        return [Whole(Triangles(patch.corners[own]), piece.sign)] if own.any() else []
    if isinstance(patch, Rectangle):
        corners = patch.corner + np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) @ patch.sides
        return [piece] if (np.abs(corners[:, axis] - value) <= slack).all() else []
    if isinstance(patch, Disc):
        reach = patch.radius * np.abs(patch.frame[:2, axis]).max()
        return [piece] if abs(patch.centre[axis] - value) + reach <= slack else []
    return []
