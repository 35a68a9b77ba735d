"""Unions, intersections and differences of triangles, which know where each came from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.geometry.solid.files import needed
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.quadrics import Quadrics
from pinn.geometry.solid.tree import DIFFERENCE, UNION, Branch, Leaf, Tree

USE = "a union, intersection or difference of solids"


@dataclass(frozen=True, eq=False)
class Mesh:
    """The triangles of a bounded solid.

    Args:
        vertices: (V, 3).
        faces: numbers of vertices (F, 3), seen from outside counter-clockwise.
        leaf: the number of the leaf that each face came from (F,).
        piece: of the leaf's primitive (F,).
        surface: of `quadrics` (F,).
        sign: of the leaf, −1 where it was taken away (F,).
        quadrics: what the faces lie on, of all leaves.
    """

    vertices: Array
    faces: np.ndarray
    leaf: np.ndarray
    piece: np.ndarray
    surface: np.ndarray
    sign: np.ndarray
    quadrics: Quadrics


def mesh(tree: Tree) -> Mesh:
    """The triangles of a bounded tree.

    Raises:
        ModuleNotFoundError: there are several leaves, and manifold3d is not installed.
        ValueError: nothing is left, or a surface cuts itself.
    """
    leaves = list(tree.leaves())
    if isinstance(tree, Leaf):
        found = tree.tessellated
        vertices, faces = found.vertices, found.faces
        leaf, source = np.zeros(len(faces), dtype=int), np.arange(len(faces))
    else:
        out = manifold(tree, *tree.bounds).to_mesh64()
        vertices, faces = out.vert_properties[:, :3].copy(), out.tri_verts.astype(np.int64)
        numbers = {leaf.kept["id"]: k for k, (leaf, _) in enumerate(leaves) if "id" in leaf.kept}
        ends = np.asarray(out.run_index, dtype=np.int64) // 3
        runs = ends[1:] - ends[:-1]
        leaf = np.repeat([numbers[int(i)] for i in out.run_original_id], runs)
        source = np.asarray(out.face_id, dtype=np.int64)
    piece, surface, sign = (np.empty(len(faces), dtype=int) for _ in range(3))
    offset = 0
    for k, (each, direction) in enumerate(leaves):
        own = leaf == k
        found = each.tessellated
        piece[own], surface[own] = found.piece[source[own]], found.surface[source[own]] + offset
        sign[own] = direction
        offset += len(each.primitive.quadrics.kind)
    quadrics = Quadrics.joined([each.primitive.quadrics for each, _ in leaves])
    return Mesh(vertices, faces, leaf, piece, surface, sign, quadrics)


def manifold(tree: Tree, lower: Array, upper: Array) -> Any:
    """A tree as manifold3d has it; something unbounded agrees with it between the bounds."""
    if tree.bounded and "manifold" in tree.kept:
        return tree.kept["manifold"]
    if isinstance(tree, Branch):
        result = _joined(tree, lower, upper)
        if tree.bounded and result.is_empty():
            raise ValueError(f"nothing is left of the {tree.operation}: move one of the two solids")
    else:
        result = _single(tree, lower, upper)
    tree.kept["manifold"] = result
    return result


def _joined(tree: Branch, lower: Array, upper: Array) -> Any:
    if tree.bounded:
        inner = [operand.bounds for operand in (tree.a, tree.b) if operand.bounded]
        lower, upper = np.min([b[0] for b in inner], axis=0), np.max([b[1] for b in inner], axis=0)
    a, b = manifold(tree.a, lower, upper), manifold(tree.b, lower, upper)
    if tree.operation == UNION:
        return a + b
    return a - b if tree.operation == DIFFERENCE else a ^ b


def _single(leaf: Leaf, lower: Array, upper: Array) -> Any:
    package = needed("manifold3d", USE)
    found = leaf.tessellated if leaf.bounded else leaf.primitive.tessellation(lower, upper)
    leaf.kept.setdefault("id", package.Manifold.reserve_ids(1))
    result = package.Manifold(
        package.Mesh64(
            np.ascontiguousarray(found.vertices),
            np.ascontiguousarray(found.faces, dtype=np.uint64),
            run_index=np.array([0, 3 * len(found.faces)], dtype=np.uint64),
            run_original_id=np.array([leaf.kept["id"]], dtype=np.uint32),
            face_id=np.arange(len(found.faces), dtype=np.uint64),
        )
    )
    if result.status() != package.Error.NoError:
        raise ValueError(
            f"the surface {leaf.names[0] or 'without a name'} is not fit for a boolean "
            f"({result.status().name}): repair it where it was drawn"
        )
    return result
