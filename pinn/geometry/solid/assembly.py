"""The pieces of the boundary of a solid, from its triangles and the patches of its primitives."""

from collections.abc import Callable

import numpy as np

from pinn.geometry.solid.curved import Curved
from pinn.geometry.solid.motion import Array, frame
from pinn.geometry.solid.nearest import Nearest
from pinn.geometry.solid.patches import Patch, Rectangle, Sphere, Tube
from pinn.geometry.solid.pieces import Cut, Piece, Whole
from pinn.geometry.solid.quadrics import PLANE
from pinn.geometry.solid.tree import Leaf, Tree
from pinn.geometry.solid.triangles import Triangles

NUDGE = 1e-7  # of the size: how far from a surface both of its sides are looked at
BULGE = 2e-3  # of the size: how far a round piece may stand out of its triangles

SLIVER = 1e-5  # the share of a patch below which nothing of it is left

Mask = Callable[[Array], np.ndarray]  # points (N, 3) → a mask (N,)
Named = list[tuple[str, Piece]]


class Assembly:
    """The pieces of a boundary.

    Args:
        tree: the solid.
        curved: its boundary in triangles, or a part of it.
        size: the largest extent of the solid.
        within: where the points of that part lie; None for all of the boundary.
    """

    def __init__(self, tree: Tree, curved: Curved, size: float, within: Mask | None = None) -> None:
        self.tree, self.curved, self.size, self.within = tree, curved, size, within

    def pieces(self) -> Named:
        """All pieces that are left, each with its name."""
        mesh = self.curved.mesh
        found: Named = []
        for k, (leaf, sign) in enumerate(self.tree.leaves()):
            own = mesh.leaf == k
            whole = self._is_whole(leaf, own)
            for number, name in enumerate(leaf.names):
                patch = leaf.primitive.pieces[number][1]
                faces = np.flatnonzero(own & (mesh.piece == number))
                if whole and patch is not None:
                    found.append((name, Whole(patch, sign)))
                elif len(faces):
                    found.append((name, self._left(leaf, number, sign, patch, faces)))
        # Where round pieces touch, rounding leaves triangles of no width.
        return [(name, piece) for name, piece in found if piece.area > SLIVER * piece.drawn]

    def _is_whole(self, leaf: Leaf, own: np.ndarray) -> bool:
        """Whether nothing of a leaf's boundary was cut off."""
        if self.within is not None or not leaf.bounded or not own.any():
            return False
        mesh, first = self.curved.mesh, leaf.tessellated
        before = Triangles(first.vertices[first.faces]).area
        after = Triangles(mesh.vertices[mesh.faces[own]]).area
        return abs(after - before) <= 1e-10 * before

    def _left(
        self, leaf: Leaf, number: int, sign: int, patch: Patch | None, faces: np.ndarray
    ) -> Piece:
        """What is left of a patch: straight triangles, or what round pieces leave."""
        if self.curved.straight[faces].all():
            return Whole(Triangles(self.curved.vertices[self.curved.mesh.faces[faces]]), 1)
        quadrics = leaf.primitive.quadrics
        if isinstance(patch, Triangles):
            first, offset = leaf.tessellated, self._offset(leaf)
            used = np.unique(self.curved.mesh.surface[faces]) - offset
            patch = Triangles(first.vertices[first.faces[used]])
        elif patch is None or quadrics.kind[number] == PLANE:
            patch = self._rectangle(quadrics.axis[number], faces)
        elif isinstance(patch, Sphere | Tube):
            patch = patch.about(self.curved.nodes(faces).reshape(-1, 3))

        others = self._beside(faces)
        corners = self.curved.vertices[self.curved.mesh.faces]
        both = [Nearest(corners[f]) for f in (faces, others)] if len(others) else []

        def accept(at: Array, normal: Array) -> np.ndarray:
            kept = self._remains(leaf, at, normal)
            if both:
                own, other = (each.distance(at[kept]) for each in both)
                kept[kept] = own <= other
            return kept

        return Cut(patch, sign, accept, self.curved, faces)

    def _beside(self, faces: np.ndarray) -> np.ndarray:
        """The numbers of other faces in the plane of flat ones, looking the same way."""
        mesh = self.curved.mesh
        normal = mesh.sign[:, None] * mesh.quadrics.axis[mesh.surface]
        level = (normal * mesh.quadrics.centre[mesh.surface]).sum(1)
        first = faces[0]
        flat = (mesh.quadrics.kind[mesh.surface] == PLANE) & (mesh.leaf >= 0)
        if not flat[first]:
            return np.empty(0, dtype=int)
        flat &= normal @ normal[first] > 1 - 1e-9
        flat &= np.abs(level - level[first]) <= 1e-9 * self.size
        flat[faces] = False
        return np.flatnonzero(flat)

    def _offset(self, leaf: Leaf) -> int:
        """The number of a leaf's first surface among those of all leaves."""
        every = [each for each, _ in self.tree.leaves()]
        return sum(len(each.primitive.quadrics.kind) for each in every[: every.index(leaf)])

    def _rectangle(self, normal: Array, faces: np.ndarray) -> Rectangle:
        """A rectangle about flat faces."""
        axes = frame(normal)
        local = self.curved.nodes(faces).reshape(-1, 3) @ axes.T
        low, high = local.min(0), local.max(0)
        margin = BULGE * (high - low)[:2].max()
        low[:2] -= margin
        high[:2] += margin
        return Rectangle(low @ axes, (high - low)[:2, None] * axes[:2], normal)

    def _remains(self, leaf: Leaf, at: Array, normal: Array) -> np.ndarray:
        """Which points on a patch are on the boundary: one side of them inside, the other not."""
        step = NUDGE * self.size * normal
        own = leaf.primitive.contains(at - step) & ~leaf.primitive.contains(at + step)
        if self.within is not None:
            own &= self.within(at)
        rows = np.flatnonzero(own)
        inner, outer = (self.tree.contains(at[rows] + s * step[rows]) for s in (-1, 1))
        own[rows] = inner != outer
        return own
