"""Closed surfaces from STL and OBJ files."""

from pathlib import Path
from typing import Any

import numpy as np

from pinn.base import extras
from pinn.base.messages import echo
from pinn.base.paths import unreadable
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.surface import closed

KINDS = (".stl", ".obj")


def needed(package: str, use: str) -> Any:
    """A package of the extra `shapes`.

    Raises:
        ModuleNotFoundError: it is not installed; the line says how to install it.
    """
    return extras.needed(package, use, '"pinn[shapes]"')


def read(path: str | Path) -> tuple[Array, np.ndarray]:
    """The vertices (V, 3) and faces (F, 3) of a closed surface in an STL or OBJ file.

    Vertices at one place are joined. Triangles that are seen from inside are turned.

    Raises:
        ModuleNotFoundError: trimesh is not installed.
        ValueError: the file is missing, empty, of another format, or its surface is not closed.
    """
    what = f"the surface {echo(str(path))}"
    kind = Path(path).suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"{what} is no file of a kind that is read: give an .stl or .obj file")
    trouble = unreadable(path)
    if trouble:
        raise ValueError(f"{what} {trouble}")
    if not Path(path).stat().st_size:
        raise ValueError(f"{what} is empty: write the file again")
    trimesh = needed("trimesh", "a surface from a file")
    try:
        with open(path, "rb") as file:
            mesh = trimesh.load_mesh(file, file_type=kind[1:], process=True)
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"{what} cannot be read as {kind[1:].upper()}: {lines[0]}") from error
    if not len(getattr(mesh, "faces", ())):
        raise ValueError(
            f"{what} holds no triangles: it is not {kind[1:].upper()}, or a part of it is missing"
        )
    a, b, c = np.sort(mesh.faces, axis=1).T
    mesh.update_faces((a < b) & (b < c))
    if mesh.is_watertight and not mesh.is_winding_consistent:
        trimesh.repair.fix_winding(mesh)
    return closed(what, mesh.vertices, mesh.faces)
