"""Triangles cut at planes of one coordinate."""

from dataclasses import replace

import numpy as np

from pinn.geometry.solid.booleans import Mesh
from pinn.geometry.solid.quadrics import PLANE, Quadrics

LID = -1  # the leaf of the faces that hold the edges of a cut on its plane


def clipped(mesh: Mesh, axis: int, value: float, above: bool, slack: float) -> Mesh:
    """The part of a boundary with x ≥ value, or x ≤ value.

    Along the cut there are faces of no area, of the leaf LID, which lie on the plane of the cut.

    Args:
        mesh: the triangles.
        axis: the column of x.
        value: of x.
        above: whether the upper part stays.
        slack: corners this near to the plane count as on it.
    """
    side = mesh.vertices[:, axis] - value if above else value - mesh.vertices[:, axis]
    where = np.where(np.abs(side) <= slack, 0, np.sign(side)).astype(int)
    corners = where[mesh.faces]
    kept = (corners >= 0).all(1)
    parted = np.flatnonzero((corners < 0).any(1) & (corners > 0).any(1))
    edges, number = np.unique(
        np.sort(mesh.faces[parted][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1),
        axis=0,
        return_inverse=True,
    )
    low, high = edges[:, :1], edges[:, 1:]
    crossed = where[edges].prod(1) < 0
    gap = np.where(crossed[:, None], side[low] - side[high], 1.0)
    share = np.where(crossed[:, None], side[low] / gap, 0.0)
    fresh = mesh.vertices[edges[:, 0]] * (1 - share) + mesh.vertices[edges[:, 1]] * share
    fresh[:, axis] = value
    faces, source, lids = [mesh.faces[kept]], [np.flatnonzero(kept)], []
    for face, own in zip(parted, number.reshape(-1, 3), strict=True):
        outline: list[int] = []
        for i in range(3):
            a, b = mesh.faces[face, i], mesh.faces[face, (i + 1) % 3]
            if where[a] >= 0:
                outline.append(int(a))
            if where[a] * where[b] < 0:
                outline.append(len(mesh.vertices) + int(own[i]))
        for i in range(1, len(outline) - 1):
            faces.append(np.array([[outline[0], outline[i], outline[i + 1]]]))
            source.append(np.array([face]))
        on = [v for v in outline if v >= len(mesh.vertices) or where[v] == 0]
        if len(on) == 2:
            lids.append([on[0], on[1], on[1]])
    return _with_lids(
        mesh, np.concatenate([mesh.vertices, fresh]), faces, source, lids, (axis, value)
    )


def _with_lids(
    mesh: Mesh,
    vertices: np.ndarray,
    faces: list[np.ndarray],
    source: list[np.ndarray],
    lids: list[list[int]],
    plane: tuple[int, float],
) -> Mesh:
    axis, value = plane
    normal = np.eye(3)[axis]
    cut = Quadrics.of((PLANE, value * normal, normal, 0.0))
    every, rows = np.concatenate(faces), np.concatenate(source)
    lid, more = np.array(lids, dtype=np.int64).reshape(-1, 3), np.zeros(len(lids), dtype=int)
    return replace(
        mesh,
        vertices=vertices,
        faces=np.concatenate([every, lid]),
        leaf=np.concatenate([mesh.leaf[rows], more + LID]),
        piece=np.concatenate([mesh.piece[rows], more]),
        surface=np.concatenate([mesh.surface[rows], more + len(mesh.quadrics.kind)]),
        sign=np.concatenate([mesh.sign[rows], more + 1]),
        quadrics=Quadrics.joined([mesh.quadrics, cut]),
    )
