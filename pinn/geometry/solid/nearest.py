"""The nearest of many triangles, exactly, by a tree of their corners."""

import numpy as np

from pinn.geometry.solid.motion import Array

CHUNK = 2**17  # pairs of a point and a corner at a time
FIRST = 4  # corners per point that are tried first


class Nearest:
    """The distance of points from triangles.

    Where q is the nearest point of a triangle with sides of length L or less, the nearer ends v of
    the side or face that q lies on have |p − v|² = |p − q|² + |q − v|² and |q − v|² ≤ L²/3. So only
    triangles with a corner that near can be nearer than what is known. Long triangles are cut, and
    the pieces sorted by their length.

    Args:
        triangles: corners (F, 3, 3).
    """

    def __init__(self, triangles: Array) -> None:
        pieces = cut(triangles)
        sides = np.linalg.norm(np.roll(pieces, -1, axis=1) - pieces, axis=-1).max(1)
        octave = np.log2(np.maximum(sides / sides.max(), 1e-9)).astype(int)
        self.groups = [_Group(pieces[octave == k], sides[octave == k]) for k in np.unique(octave)]

    def distance(self, at: Array) -> Array:
        """The distance (N,) of points (N, 3) from the nearest triangle."""
        bound = np.minimum.reduce([group.tree.query(at)[0] for group in self.groups])
        for group in self.groups:
            group.lower(at, bound)
        return bound

    def within(self, at: Array, reach: float) -> np.ndarray:
        """Which of the points (N, 3) are at most `reach` away: a mask (N,)."""
        near = np.zeros(len(at), dtype=bool)
        for group in self.groups:
            most = np.hypot(reach, group.reach) * (1 + 1e-9)
            near |= np.isfinite(group.tree.query(at, distance_upper_bound=most)[0])
        near[near] = self.distance(at[near]) <= reach
        return near


class _Group:
    """Triangles of similar size; which of them has which corner."""

    def __init__(self, pieces: Array, sides: Array) -> None:
        corners, number = np.unique(pieces.reshape(-1, 3), axis=0, return_inverse=True)
        from scipy.spatial import cKDTree

        self.tree = cKDTree(corners)
        self.reach = float(sides.max()) / np.sqrt(3) * (1 + 1e-9)
        order = np.argsort(number.ravel(), kind="stable")
        self.piece = order // 3
        self.starts = np.searchsorted(number.ravel()[order], np.arange(len(corners) + 1))
        self.origin, self.sides = pieces[:, 0], pieces[:, 1:] - pieces[:, :1]

    def lower(self, at: Array, bound: Array) -> None:
        """Replace the distances `bound` (N,) by those from these triangles where they are less."""
        rows, tried, k = np.arange(len(at)), 0, min(FIRST, self.tree.n)
        while len(rows):
            left = []
            for start in range(0, len(rows), max(CHUNK // k, 1)):
                own = rows[start : start + max(CHUNK // k, 1)]
                most = float(np.hypot(bound[own].max(), self.reach))
                away, corner = self.tree.query(at[own], k=k, distance_upper_bound=most)
                away, corner = away.reshape(len(own), k), corner.reshape(len(own), k)
                near = away[:, tried:] <= np.hypot(bound[own], self.reach)[:, None]
                i, j = near.nonzero()
                self._try(at, bound, own[i], corner[i, tried + j])
                left.append(own[away[:, -1] <= np.hypot(bound[own], self.reach)])
            rows, tried = np.concatenate(left), k
            if k == self.tree.n:
                return
            k = min(4 * k, self.tree.n)

    def _try(self, at: Array, bound: Array, point: np.ndarray, corner: np.ndarray) -> None:
        """The distances of points from all triangles that have a corner."""
        size = self.starts[corner + 1] - self.starts[corner]
        point = np.repeat(point, size)
        within = np.arange(len(point)) - np.repeat(np.cumsum(size) - size, size)
        piece = self.piece[np.repeat(self.starts[corner], size) + within]
        np.minimum.at(bound, point, between(at[point] - self.origin[piece], self.sides[piece]))


def between(w: Array, sides: Array) -> Array:
    """The distance (M,) of w (M, 3) from the triangles 0, a, b with sides a, b (M, 2, 3).

    The least of |w − s a − t b| over s, t ≥ 0, s + t ≤ 1: inside, or on one of the sides.
    """
    a, b = sides[:, 0], sides[:, 1]
    aa, ab, bb = ((x * y).sum(1) for x, y in ((a, a), (a, b), (b, b)))
    wa, wb = (w * a).sum(1), (w * b).sum(1)
    whole = aa * bb - ab * ab
    with np.errstate(divide="ignore", invalid="ignore"):
        s, t = (wa * bb - wb * ab) / whole, (wb * aa - wa * ab) / whole
        inside = (s >= 0) & (t >= 0) & (s + t <= 1)
        on_a, on_b = (np.nan_to_num(x).clip(0, 1) for x in (wa / aa, wb / bb))
        share = np.nan_to_num((wb - wa - ab + aa) / (aa - 2 * ab + bb)).clip(0, 1)
    best_s, best_t = np.where(inside, s, on_a), np.where(inside, t, 0.0)
    best = np.where(inside, -np.inf, _above(best_s, best_t, wa, wb, aa, ab, bb))
    for s, t in ((np.zeros_like(on_b), on_b), (1 - share, share)):
        value = _above(s, t, wa, wb, aa, ab, bb)
        better = value < best
        best_s, best_t = np.where(better, s, best_s), np.where(better, t, best_t)
        best = np.where(better, value, best)
    # The squares above lose half of the digits near the triangle; this does not.
    rest = w - best_s[:, None] * a - best_t[:, None] * b
    return np.sqrt((rest**2).sum(1))


def _above(s: Array, t: Array, wa: Array, wb: Array, aa: Array, ab: Array, bb: Array) -> Array:
    """|w − s a − t b|² − |w|²."""
    return s * (s * aa - 2 * wa + 2 * t * ab) + t * (t * bb - 2 * wb)


def cut(triangles: Array) -> Array:
    """Triangles (F, 3, 3), the long ones in several pieces."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = 0.5 * float(np.linalg.norm(normals, axis=1).sum())
    limit = 3 * np.sqrt(area / max(len(triangles), 200))
    done = []
    for _ in range(40):
        sides = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=-1)
        long = sides.max(1) > limit
        done.append(triangles[~long])
        triangles = halves(triangles[long])
        if not long.any():
            break
    return np.concatenate([*done, triangles])


def halves(triangles: Array) -> Array:
    """Triangles (F, 3, 3), each cut in the middle of its longest side: (2F, 3, 3)."""
    sides = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=-1)
    order = (sides.argmax(1)[:, None] + np.arange(3)) % 3
    a, b, c = np.moveaxis(np.take_along_axis(triangles, order[:, :, None], axis=1), 1, 0)
    middle = 0.5 * (a + b)
    return np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
