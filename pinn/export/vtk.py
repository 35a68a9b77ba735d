"""Files of VTK's XML formats, for ParaView: binary data in base64, so that nothing is rounded.

Format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from pinn.geometry import Coordinates

Arrays = Mapping[str, np.ndarray]
SUFFIXES = (".vti", ".vtr", ".vtu", ".pvd")
# Numbers that VTK gives to cells with 1, 2, 4 and 8 corners, and the order of these, x fastest.
CELLS = {0: (1, [0]), 1: (3, [0, 1]), 2: (9, [0, 1, 3, 2]), 3: (12, [0, 1, 3, 2, 4, 5, 7, 6])}
HIDDEN_POINT, HIDDEN_CELL = 2, 32
DTYPES = {"f4": "Float32", "f8": "Float64", "i8": "Int64", "u1": "UInt8"}


@dataclass(frozen=True)
class Values:
    """Values at points, of one or of several instants.

    Args:
        coordinates: the names of the axes.
        at: the points (N, D), axis 0 the slowest.
        axes: of a grid, the positions along each axis; else none.
        arrays: name → (N,) or (N, C).
        parts: vector → the names of its components.
        inside: of a grid, which points (N,) belong to the domain; None if all do.
    """

    coordinates: Coordinates
    at: np.ndarray
    axes: Arrays
    arrays: Arrays
    parts: Mapping[str, tuple[str, ...]]
    inside: np.ndarray | None = None

    @property
    def instants(self) -> dict[float, np.ndarray]:
        """Instant → which points belong to it; nothing for a steady problem."""
        time = self.coordinates.time
        if time is None:
            return {}
        times = self.at[:, time]
        return {float(t): np.flatnonzero(times == t) for t in np.unique(times)}

    @property
    def lines(self) -> list[np.ndarray]:
        """The positions of a grid along x, y and z; nothing for scattered points."""
        if not self.axes:
            return []
        lines = [np.asarray(self.axes[self.coordinates.names[i]]) for i in self.coordinates.space]
        return lines + [np.zeros(1)] * (3 - len(lines))

    def some(self, which: np.ndarray) -> "Values":
        """Those at some of the points."""
        arrays = {name: values[which] for name, values in self.arrays.items()}
        inside = None if self.inside is None else self.inside[which]
        return replace(self, at=self.at[which], arrays=arrays, inside=inside)


def write_vtk(path: str | Path, values: Values) -> None:
    """Values at points, or on a grid, as a file of the kind that its name ends with.

    Args:
        path: ends with .vti, .vtr, .vtu or .pvd.
        values: what is written.

    Raises:
        ValueError: the kind of file is unknown, or cannot hold this.
    """
    path, suffix = Path(path), Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path.name!r} has no ending of {', '.join(SUFFIXES)}")
    space = len(values.coordinates.space)
    if space > 3:
        raise ValueError(
            f"VTK has three space coordinates, the problem {space}: write .csv or .npz"
        )
    if not values.axes and suffix in (".vti", ".vtr"):
        raise ValueError(f"scattered points have no grid: write .vtu or .pvd in place of {suffix}")
    for name in values.coordinates.parameters if values.axes else ():
        if len(values.axes[name]) > 1:
            raise ValueError(
                f"{len(values.axes[name])} values of {name} do not fit into one {suffix} file: fix "
                f"it, as in {name}={float(values.axes[name][0])}, or write .csv, .npz or .nc"
            )
    values = replace(values, arrays={name: padded(v) for name, v in values.arrays.items()})
    if suffix == ".pvd":
        write_series(path, values)
        return
    instants = values.instants
    if len(instants) > 1 and values.axes:
        raise ValueError(
            f"{len(instants)} instants do not fit into one {suffix} file: write "
            f"{path.with_suffix('.pvd').name!r}, one file for each, or fix the time"
        )
    write_one(path, values, list(instants) if values.axes else [])


def padded(values: np.ndarray) -> np.ndarray:
    """Vectors in the plane with a third component, zero."""
    if values.ndim == 1 or values.shape[1] >= 3:
        return values
    return np.pad(values, ((0, 0), (0, 3 - values.shape[1])))


def is_even(axis: np.ndarray) -> bool:
    """Whether positions are evenly spaced, to rounding."""
    exact = axis[0] + np.arange(len(axis)) * spacing(axis)
    return bool(np.allclose(exact, axis, rtol=0, atol=4 * np.spacing(np.abs(axis).max())))


def spacing(axis: np.ndarray) -> float:
    """The distance of two positions; 1 for a single one."""
    return float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else 1.0


def write_series(path: Path, values: Values) -> None:
    """A .pvd file, and one file per instant beside it."""
    instants = values.instants
    if len(instants) > 9999:
        raise ValueError(f"the points are at {len(instants)} instants, a series has at most 9999")
    kind = ".vtu"
    if values.axes:
        kind = ".vti" if all(map(is_even, values.lines)) else ".vtr"
    entries = []
    chosen = instants or {0.0: np.arange(len(values.at))}
    for number, (time, which) in enumerate(chosen.items()):
        part = path.with_name(f"{path.stem}_{number:04d}{kind}")
        write_one(part, values.some(which), [time] if instants else [])
        entries.append(f'<DataSet timestep="{time!r}" part="0" file={quoteattr(part.name)}/>')
    path.write_text(document("Collection", "".join(entries)), encoding="utf-8")


def write_one(path: Path, values: Values, instants: Sequence[float]) -> None:
    """One file; points of one instant."""
    lines, coordinates = values.lines, values.coordinates
    sizes = [len(line) for line in lines]
    if lines:  # VTK has x fastest, the points here x slowest
        values = values.some(
            np.arange(len(values.at)).reshape(sizes).transpose(2, 1, 0).reshape(-1)
        )
    suffix = path.suffix.lower()
    corners, cell = cells(sizes) if lines else (np.arange(len(values.at))[:, None], 1)
    if values.inside is not None and suffix == ".vtu":
        values, corners = without_outside(values, corners)
    arrays = dict(values.arrays)
    for i in coordinates.beside_space if not lines else ():
        arrays.setdefault(coordinates.names[i], values.at[:, i])
    data = contents(replace(values, arrays=arrays), corners)
    extent = " ".join(f"0 {size - 1}" for size in sizes)
    if suffix == ".vti":
        for name, line in zip("xyz", lines, strict=True):
            if not is_even(line):
                raise ValueError(f"the axis {name!r} is not evenly spaced: write .vtr")
        origin = " ".join(repr(float(line[0])) for line in lines)
        steps = " ".join(repr(spacing(line)) for line in lines)
        head = f'WholeExtent="{extent}" Origin="{origin}" Spacing="{steps}"'
        text = document("ImageData", f'<Piece Extent="{extent}">{data}</Piece>', head, instants)
    elif suffix == ".vtr":
        ticks = "".join(data_array(n, line) for n, line in zip("xyz", lines, strict=True))
        body = f'<Piece Extent="{extent}">{data}<Coordinates>{ticks}</Coordinates></Piece>'
        text = document("RectilinearGrid", body, f'WholeExtent="{extent}"', instants)
    else:
        points = np.zeros((len(values.at), 3))
        points[:, : len(coordinates.space)] = values.at[:, list(coordinates.space)]
        text = document("UnstructuredGrid", piece(points, data, corners, cell), "", instants)
    path.write_text(text, encoding="utf-8")


def contents(values: Values, corners: np.ndarray) -> str:
    """The arrays at points; where some points have no value, these and their cells are hidden.

    Source: vtkDataSetAttributes, HIDDENPOINT and HIDDENCELL.
    """
    arrays, hidden = dict(values.arrays), ""
    if values.inside is not None:
        arrays["vtkGhostType"] = np.where(values.inside, 0, HIDDEN_POINT).astype("u1")
        cells = np.where(values.inside[corners].all(1), 0, HIDDEN_CELL).astype("u1")
        hidden = f"<CellData>{data_array('vtkGhostType', cells)}</CellData>"
    data = "".join(data_array(n, v, values.parts.get(n, ())) for n, v in arrays.items())
    return f"<PointData>{data}</PointData>{hidden}"


def without_outside(values: Values, corners: np.ndarray) -> tuple[Values, np.ndarray]:
    """The points that have values, and the cells between them alone."""
    inside = np.asarray(values.inside)
    numbers = np.cumsum(inside) - 1
    kept = corners[inside[corners].all(1)]
    return replace(values.some(np.flatnonzero(inside)), inside=None), numbers[kept]


def piece(points: np.ndarray, values: str, corners: np.ndarray, cell: int) -> str:
    """Points, their values, and the cells (K, corners) between them."""
    count, each = corners.shape
    parts = [
        data_array("connectivity", corners.reshape(-1).astype("<i8")),
        data_array("offsets", np.arange(1, count + 1, dtype="<i8") * each),
        data_array("types", np.full(count, cell, dtype="u1")),
    ]
    return (
        f'<Piece NumberOfPoints="{len(points)}" NumberOfCells="{count}">{values}'
        f"<Points>{data_array('points', points)}</Points><Cells>{''.join(parts)}</Cells></Piece>"
    )


def cells(sizes: Sequence[int]) -> tuple[np.ndarray, int]:
    """The lines, rectangles or bricks between grid points, x fastest, and VTK's number for them."""
    number = np.arange(np.prod(sizes)).reshape(sizes[::-1])
    wide = [axis for axis in (2, 1, 0) if number.shape[axis] > 1]  # x, y, z as axes of `number`
    kind, order = CELLS[len(wide)]
    corners = []
    for corner in range(2 ** len(wide)):
        index = [slice(None)] * 3
        for bit, axis in enumerate(wide):
            index[axis] = slice(1, None) if corner >> bit & 1 else slice(None, -1)
        corners.append(number[tuple(index)].reshape(-1))
    return np.stack([corners[k] for k in order], axis=-1), kind


def data_array(name: str, values: np.ndarray, labels: Sequence[str] = ()) -> str:
    """Values (N,) or (N, C) as an element; a header says how many bytes follow."""
    kind = values.dtype.str[1:]
    if kind not in DTYPES:
        values, kind = values.astype("<f8"), "f8"
    raw = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
    text = base64.b64encode(np.uint64(len(raw)).astype("<u8").tobytes() + raw).decode("ascii")
    shape = f' NumberOfComponents="{values.shape[1]}"' if values.ndim > 1 else ""
    shape += "".join(f" ComponentName{k}={quoteattr(label)}" for k, label in enumerate(labels))
    return (
        f"<DataArray type={quoteattr(DTYPES[kind])} Name={quoteattr(name)}{shape} "
        f'format="binary">{text}</DataArray>\n'
    )


def document(kind: str, body: str, head: str = "", instants: Sequence[float] = ()) -> str:
    """A whole file; of a single instant its time as well."""
    time = ""
    if len(instants) == 1:
        time = (
            '<FieldData><DataArray type="Float64" Name="TimeValue" NumberOfTuples="1" '
            f'format="ascii">{instants[0]!r}</DataArray></FieldData>'
        )
    return (
        f'<?xml version="1.0"?>\n<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" '
        f'header_type="UInt64">\n<{kind} {head}>{time}\n{body}</{kind}>\n</VTKFile>\n'
    )
