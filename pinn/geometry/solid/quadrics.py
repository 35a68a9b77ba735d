"""The planes, spheres and cylinders that the faces of a solid lie on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinn.geometry.solid.motion import Array

PLANE, SPHERE, TUBE = range(3)


@dataclass(frozen=True, eq=False)
class Quadrics:
    """Surfaces by the signed distance from them: planes, spheres, and unbounded cylinders.

    Args:
        kind: PLANE, SPHERE or TUBE, one per surface (S,).
        centre: a point of the plane or of the axis, or the centre (S, 3).
        axis: the unit normal of the plane, or the direction of the axis (S, 3).
        radius: of a sphere or cylinder (S,).
    """

    kind: np.ndarray
    centre: Array
    axis: Array
    radius: Array

    @classmethod
    def of(cls, *rows: tuple[int, Array, Array, float]) -> "Quadrics":
        """Surfaces, each a kind, a centre, an axis and a radius."""
        kind, centre, axis, radius = (np.array(each) for each in zip(*rows, strict=True))
        return cls(kind, centre, axis, radius.astype(float))

    @classmethod
    def joined(cls, several: Sequence["Quadrics"]) -> "Quadrics":
        """The surfaces of several, one behind the other."""
        return cls(
            np.concatenate([each.kind for each in several]),
            np.concatenate([each.centre for each in several]),
            np.concatenate([each.axis for each in several]),
            np.concatenate([each.radius for each in several]),
        )

    def levels(self, at: Array, which: np.ndarray) -> tuple[Array, Array]:
        """The signed distance (N,) of each point from its surface, and its gradient (N, 3)."""
        kind, axis = self.kind[which], self.axis[which]
        away = at - self.centre[which]
        along = (away * axis).sum(-1)
        across = away - np.where(kind == TUBE, along, 0.0)[:, None] * axis
        length = np.linalg.norm(across, axis=-1)
        round_normal = across / np.where(length > 0, length, 1.0)[:, None]
        flat = kind == PLANE
        value = np.where(flat, along, length - self.radius[which])
        return value, np.where(flat[:, None], axis, round_normal)

    def project(self, at: Array, point: np.ndarray, surface: np.ndarray) -> Array:
        """Points moved onto all the surfaces that each of them belongs to (Gauss–Newton).

        Where the surfaces do not meet near a point, the point stays.

        Args:
            at: (N, 3).
            point: numbers of points (M,), one per pair.
            surface: the surface of the pair (M,).
        """
        moved = at.copy()
        for _ in range(6):
            value, gradient = self.levels(moved[point], surface)
            matrix, right = np.zeros((len(at), 3, 3)), np.zeros((len(at), 3))
            np.add.at(matrix, point, gradient[:, :, None] * gradient[:, None, :])
            np.add.at(right, point, gradient * value[:, None])
            moved -= (np.linalg.pinv(matrix, rcond=1e-3, hermitian=True) @ right[..., None])[..., 0]
        worst = np.zeros(len(at))
        np.maximum.at(worst, point, np.abs(self.levels(moved[point], surface)[0]))
        before = np.zeros(len(at))
        np.maximum.at(before, point, np.abs(self.levels(at[point], surface)[0]))
        step = np.linalg.norm(moved - at, axis=1)
        good = (worst <= 1e-3 * before + 1e-14) & (step <= 10 * before + 1e-14)
        return np.where(good[:, None], moved, at)
