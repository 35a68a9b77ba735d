"""Ball, cylinder and closed surface."""

from collections.abc import Sequence
from pathlib import Path

from pinn.geometry import solid
from pinn.geometry.curved import Shaped, Vector
from pinn.geometry.shape import Range


class Ball(Shaped):
    """|x − c| ≤ r  in space.

    Args:
        centre: c.
        radius: r > 0.
        name: of the sphere, as a part of the boundary; without, it belongs to `boundary` alone.
        time: of the time interval.

    Raises:
        ValueError: a number is not finite, or r ≤ 0.
    """

    def __init__(
        self,
        centre: Vector = (0.0, 0.0, 0.0),
        radius: float = 1.0,
        name: str = "",
        time: Range | None = None,
    ) -> None:
        self._of(solid.ball(centre, radius, name), time)


class Cylinder(Shaped):
    """A circular cylinder in space, with the parts `side`, `base` and `top`.

    Args:
        centre: of its base.
        axis: from the base to the top, of any length.
        radius: of the circle, > 0.
        height: > 0.
        name: of all of its surface, in place of the three parts.
        time: of the time interval.

    Raises:
        ValueError: a number is not finite or not above 0, or the axis is zero.
    """

    def __init__(
        self,
        centre: Vector = (0.0, 0.0, 0.0),
        axis: Vector = (0.0, 0.0, 1.0),
        radius: float = 1.0,
        height: float = 1.0,
        name: str = "",
        time: Range | None = None,
    ) -> None:
        self._of(solid.cylinder(centre, axis, radius, height, name), time)


class Surface(Shaped):
    """The inside of a closed surface of triangles, from an STL or OBJ file.

    Args:
        file: its path; without, `vertices` and `faces` are given, as a checkpoint does.
        name: of the surface, as a part of the boundary; without, it belongs to `boundary` alone.
        time: of the time interval.
        vertices: (V, 3).
        faces: numbers of vertices (F, 3).

    Raises:
        ValueError: the file is missing or no STL or OBJ, or the surface is not watertight.
        ModuleNotFoundError: trimesh is not installed.
    """

    def __init__(
        self,
        file: str | Path | None = None,
        name: str = "",
        time: Range | None = None,
        vertices: Sequence[Vector] | None = None,
        faces: Sequence[Sequence[int]] | None = None,
    ) -> None:
        if (file is None) == (vertices is None or faces is None):
            raise ValueError("Surface needs either a file, or vertices and faces")
        if vertices is not None and faces is not None:
            shape = solid.triangles(vertices, faces, name)
        else:
            shape = solid.surface(str(file), name)
        self._of(shape, time)
        # A checkpoint has to hold the surface itself: the file may be gone by then.
        corners, triangles = solid.mesh(shape)
        held = {"file": None, "vertices": corners.tolist(), "faces": triangles.tolist()}
        self._spec["init_args"] |= held
