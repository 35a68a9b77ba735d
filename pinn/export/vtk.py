"""Files of VTK's XML formats, for ParaView: binary data in base64, so that nothing is rounded.

Format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from pinn.geometry import Coordinates

Arrays = Mapping[str, np.ndarray]
SUFFIXES = (".vti", ".vtr", ".vtu", ".pvd")
# Numbers that VTK gives to cells with 1, 2, 4 and 8 corners, and the order of these, x fastest.
CELLS = {0: (1, [0]), 1: (3, [0, 1]), 2: (9, [0, 1, 3, 2]), 3: (12, [0, 1, 3, 2, 4, 5, 7, 6])}
DTYPES = {"f4": "Float32", "f8": "Float64", "i8": "Int64", "u1": "UInt8"}


def write_vtk(
    path: str | Path,
    coordinates: Coordinates,
    at: np.ndarray,
    axes: Arrays | None,
    arrays: Arrays,
    parts: Mapping[str, tuple[str, ...]],
) -> None:
    """Values at points, or on a grid, as a file of the kind that its name ends with.

    Args:
        path: ends with .vti, .vtr, .vtu or .pvd.
        coordinates: the names of the axes.
        at: the points (N, D), axis 0 the slowest.
        axes: of a grid, the positions along each axis.
        arrays: name → (N,) or (N, C).
        parts: vector → the names of its components.

    Raises:
        ValueError: the kind of file is unknown, or cannot hold this.
    """
    path, suffix = Path(path), Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path.name!r} has no ending of {', '.join(SUFFIXES)}")
    if len(coordinates.space) > 3:
        raise ValueError(
            f"VTK has three space coordinates, the problem {len(coordinates.space)}: write .csv or "
            ".npz"
        )
    if axes is None and suffix in (".vti", ".vtr"):
        raise ValueError(f"scattered points have no grid: write .vtu or .pvd in place of {suffix}")
    data = {name: padded(values) for name, values in arrays.items()}
    labels = {name: parts.get(name, ()) for name in data}
    instants = split(coordinates, at, axes)
    if suffix == ".pvd":
        kind = ".vtu" if axes is None else best_grid(coordinates, axes)
        write_series(path, kind, coordinates, at, axes, data, labels, instants)
        return
    if len(instants) > 1 and axes is not None:
        raise ValueError(
            f"{len(instants)} instants do not fit into one {suffix} file: write "
            f"{path.with_suffix('.pvd').name!r}, one file for each, or fix the time"
        )
    write_one(path, suffix, coordinates, at, axes, data, labels, instants if axes else {})


def padded(values: np.ndarray) -> np.ndarray:
    """Vectors in the plane with a third component, zero."""
    if values.ndim == 1 or values.shape[1] >= 3:
        return values
    return np.pad(values, ((0, 0), (0, 3 - values.shape[1])))


def split(coordinates: Coordinates, at: np.ndarray, axes: Arrays | None) -> dict[float, np.ndarray]:
    """Instant → which points belong to it; nothing for a steady problem."""
    if coordinates.time is None:
        return {}
    times = at[:, coordinates.time]
    known = np.unique(times) if axes is None else axes[coordinates.names[coordinates.time]]
    return {float(t): np.flatnonzero(times == t) for t in known}


def best_grid(coordinates: Coordinates, axes: Arrays) -> str:
    """The kind of grid file that holds these axes."""
    even = all(is_even(axes[coordinates.names[i]]) for i in coordinates.space)
    return ".vti" if even else ".vtr"


def is_even(axis: np.ndarray) -> bool:
    """Whether positions are evenly spaced, to rounding."""
    exact = axis[0] + np.arange(len(axis)) * spacing(axis)
    return bool(np.allclose(exact, axis, rtol=0, atol=4 * np.spacing(np.abs(axis).max())))


def spacing(axis: np.ndarray) -> float:
    """The distance of two positions; 1 for a single one."""
    return float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else 1.0


def write_series(
    path: Path,
    kind: str,
    coordinates: Coordinates,
    at: np.ndarray,
    axes: Arrays | None,
    data: Arrays,
    labels: Mapping[str, Sequence[str]],
    instants: Mapping[float, np.ndarray],
) -> None:
    """A .pvd file, and one file per instant beside it."""
    if len(instants) > 9999:
        raise ValueError(f"the points are at {len(instants)} instants, a series has at most 9999")
    entries = []
    chosen = instants or {0.0: np.arange(len(at))}
    for number, (time, which) in enumerate(chosen.items()):
        part = path.with_name(f"{path.stem}_{number:04d}{kind}")
        values = {name: each[which] for name, each in data.items()}
        own = {time: which} if instants else {}
        write_one(part, kind, coordinates, at[which], axes, values, labels, own)
        entries.append(f'<DataSet timestep="{time!r}" part="0" file={quoteattr(part.name)}/>')
    path.write_text(document("Collection", "".join(entries)), encoding="utf-8")


def write_one(
    path: Path,
    kind: str,
    coordinates: Coordinates,
    at: np.ndarray,
    axes: Arrays | None,
    data: Arrays,
    labels: Mapping[str, Sequence[str]],
    instants: Mapping[float, np.ndarray],
) -> None:
    """One file; points of one instant."""
    lines = [np.asarray(axes[coordinates.names[i]]) for i in coordinates.space] if axes else []
    lines += [np.zeros(1)] * (3 - len(lines)) if axes else []
    sizes = [len(line) for line in lines]
    if axes:  # VTK has x fastest, the points here x slowest
        order = np.arange(len(at)).reshape(sizes).transpose(2, 1, 0).reshape(-1)
        at, data = at[order], {name: values[order] for name, values in data.items()}
    points = np.zeros((len(at), 3))
    points[:, : len(coordinates.space)] = at[:, list(coordinates.space)]
    if not axes and coordinates.time is not None:
        data = {**data, "t": at[:, coordinates.time]} if "t" not in data else data
    values = "".join(data_array(n, v, labels.get(n, ())) for n, v in data.items())
    values = f"<PointData>{values}</PointData>"
    extent = " ".join(f"0 {size - 1}" for size in sizes)
    if kind == ".vti":
        for name, line in zip("xyz", lines, strict=True):
            if not is_even(line):
                raise ValueError(f"the axis {name!r} is not evenly spaced: write .vtr")
        origin = " ".join(repr(float(line[0])) for line in lines)
        steps = " ".join(repr(spacing(line)) for line in lines)
        head = f'WholeExtent="{extent}" Origin="{origin}" Spacing="{steps}"'
        body = f'<Piece Extent="{extent}">{values}</Piece>'
        text = document("ImageData", body, head, instants)
    elif kind == ".vtr":
        ticks = "".join(data_array(n, line) for n, line in zip("xyz", lines, strict=True))
        body = f'<Piece Extent="{extent}">{values}<Coordinates>{ticks}</Coordinates></Piece>'
        text = document("RectilinearGrid", body, f'WholeExtent="{extent}"', instants)
    else:
        corners, cell = cells(sizes) if axes else (np.arange(len(at))[:, None], 1)
        text = document("UnstructuredGrid", piece(points, values, corners, cell), "", instants)
    path.write_text(text, encoding="utf-8")


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
    raw = np.ascontiguousarray(values, dtype=f"<{kind}" if kind != "u1" else "u1").tobytes()
    text = base64.b64encode(np.uint64(len(raw)).astype("<u8").tobytes() + raw).decode("ascii")
    shape = f' NumberOfComponents="{values.shape[1]}"' if values.ndim > 1 else ""
    shape += "".join(f" ComponentName{k}={quoteattr(label)}" for k, label in enumerate(labels))
    return (
        f"<DataArray type={quoteattr(DTYPES[kind])} Name={quoteattr(name)}{shape} "
        f'format="binary">{text}</DataArray>\n'
    )


def document(kind: str, body: str, head: str = "", instants: Mapping[float, object] = {}) -> str:
    """A whole file; of a single instant its time as well."""
    time = ""
    if len(instants) == 1:
        time = (
            '<FieldData><DataArray type="Float64" Name="TimeValue" NumberOfTuples="1" '
            f'format="ascii">{next(iter(instants))!r}</DataArray></FieldData>'
        )
    return (
        f'<?xml version="1.0"?>\n<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" '
        f'header_type="UInt64">\n<{kind} {head}>{time}\n{body}</{kind}>\n</VTKFile>\n'
    )
