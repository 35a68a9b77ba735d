"""A solid inside of a closed surface of triangles."""

from functools import cached_property

import numpy as np

from pinn.geometry.solid.crossings import Crossings
from pinn.geometry.solid.motion import Array, Motion
from pinn.geometry.solid.primitive import Primitive, Tessellation
from pinn.geometry.solid.quadrics import PLANE, Quadrics
from pinn.geometry.solid.triangles import Triangles


class Surface(Primitive):
    """What a closed surface encloses.

    Args:
        vertices: (V, 3).
        faces: numbers of vertices (F, 3), seen from outside counter-clockwise.
        name: of the surface.
    """

    def __init__(self, vertices: Array, faces: np.ndarray, name: str) -> None:
        self.vertices, self.faces, self.name = vertices, faces, name
        self.lower, self.upper = vertices.min(0), vertices.max(0)
        self.slack = 1e-12 * float((self.upper - self.lower).max())
        self.patch = Triangles(vertices[faces])
        self.pieces = [(name, self.patch)]
        corners = vertices[faces]
        crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(crossed, axis=1)[:, None]
        normals = crossed / np.where(length > 0, length, 1)
        plane = np.full(len(faces), PLANE)
        self.quadrics = Quadrics(plane, corners[:, 0], normals, np.zeros(len(faces)))

    @property
    def volume(self) -> float:
        """Σ a · (b × c) / 6 over the triangles (a, b, c)."""
        return signed_volume(self.vertices, self.faces)

    @cached_property
    def _crossings(self) -> Crossings:
        return Crossings(self.vertices, self.faces)

    def distance(self, at: Array) -> Array:
        """Exact to the triangles; the sign by the crossings of a ray."""
        return np.where(self._crossings.inside(at), -1, 1) * self.patch.distance(at)

    def contains(self, at: Array, slack: float = 0.0) -> np.ndarray:
        """Enclosed, or on the surface; with a negative slack, enclosed and off the surface."""
        inside = self._crossings.inside(at)
        wanted = slack >= 0
        reach = max(abs(slack), self.slack)
        open_ = inside != wanted
        open_ &= ((at >= self.lower - reach) & (at <= self.upper + reach)).all(1)
        near = np.flatnonzero(open_)
        inside[near[self.patch.near(at[near], reach)]] = wanted
        return inside

    def moved(self, motion: Motion) -> "Surface":
        """The moved surface."""
        return Surface(motion.points(self.vertices), self.faces, self.name)

    def tessellation(self, lower: Array, upper: Array) -> Tessellation:
        """The triangles themselves."""
        faces = np.arange(len(self.faces))
        return Tessellation(self.vertices, self.faces, np.zeros_like(faces), faces)


def signed_volume(vertices: Array, faces: np.ndarray) -> float:
    """Σ a · (b × c) / 6, negative where the triangles are seen from inside counter-clockwise."""
    a, b, c = (vertices[faces[:, k]] - vertices[0] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def closed(what: str, vertices: Array, faces: np.ndarray) -> tuple[Array, np.ndarray]:
    """The vertices and faces of a closed surface, each body turned outwards.

    Raises:
        ValueError: there are no triangles, a number is not finite, or the surface is not closed.
    """
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)
    if vertices.ndim != 2 or faces.ndim != 2 or not len(faces) or vertices.shape[1] != 3:
        raise ValueError(f"{what} holds no triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"{what} names a vertex that it does not have")
    if not np.isfinite(vertices).all():
        row = int(np.flatnonzero(~np.isfinite(vertices).all(1))[0])
        raise ValueError(f"{what} has a vertex {vertices[row].tolist()}: each must be finite")
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    both, number, counts = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    alone, many = int((counts == 1).sum()), int((counts > 2).sum())
    if alone:
        raise ValueError(
            f"{what} is not watertight: {alone} of its {len(both)} edges are open; close the holes "
            "where the surface was drawn, or with a tool such as MeshLab"
        )
    if many:
        raise ValueError(
            f"{what} is no simple surface: {many} edges belong to more than two triangles; "
            "remove doubled triangles and walls inside, or join the bodies where it was drawn"
        )
    forward = np.bincount(number.ravel(), weights=edges[:, 0] < edges[:, 1])
    if (forward != 1).any():
        raise ValueError(
            f"{what}: {int((forward != 1).sum())} edges run the same way in both of their "
            "triangles, so outside is not known; make the normals consistent"
        )
    return vertices, _outwards(what, vertices, faces, number.ravel())


def _outwards(what: str, vertices: Array, faces: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """The faces, those of a body turned where it is seen from inside."""
    face = np.repeat(np.arange(len(faces)), 3)[np.argsort(edge, kind="stable")].reshape(-1, 2)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(face)), face.T), shape=(len(faces),) * 2)
    count, body = connected_components(graph, directed=False)
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(normal, axis=1)
    crossings, turned = Crossings(vertices, faces), faces.copy()
    size_of_all = float((vertices.max(0) - vertices.min(0)).max())
    for k in range(count):
        largest = np.argmax(np.where(body == k, size, -1.0))
        if not size[largest] > 0:
            raise ValueError(f"{what} has a body without volume: remove it")
        step = 1e-7 * size_of_all * normal[largest] / size[largest]
        if not crossings.inside((corners[largest].mean(0) - step)[None])[0]:
            turned[body == k] = turned[body == k][:, ::-1]
    if not signed_volume(vertices, turned) > 0:
        raise ValueError(f"{what} encloses no volume")
    return turned
