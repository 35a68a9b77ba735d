"""Tables and arrays: CSV, NumPy's npz, xarray."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinn.base.extras import needed

Columns = Mapping[str, np.ndarray]
TOGETHER = 10**5  # rows written at a time


def write_csv(path: str | Path, columns: Columns) -> None:
    """Columns (N,) under their names; numbers are written so that they are read back exactly."""
    count = len(next(iter(columns.values())))
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(columns) + "\n")
        for start in range(0, count, TOGETHER):
            part = [c[start : start + TOGETHER].tolist() for c in columns.values()]
            file.writelines(",".join(map(repr, row)) + "\n" for row in zip(*part, strict=True))


def write_npz(
    path: str | Path, axes: Columns | None, columns: Columns, shape: tuple[int, ...]
) -> None:
    """Arrays by name: the axes of a grid and values in its shape, or columns."""
    given = dict(columns if axes is None else axes)
    given |= {name: values.reshape(shape) for name, values in columns.items() if name not in given}
    with Path(path).open("wb") as file:
        np.savez(file, **given)  # type: ignore[arg-type]


def xarray_dataset(
    axes: Columns, columns: Columns, shape: tuple[int, ...], coordinates: Sequence[str]
) -> Any:
    """A Dataset: with the axes of a grid as dimensions, or `point`.

    Raises:
        ModuleNotFoundError: xarray is not installed.
    """
    xarray = needed("xarray", "to_xarray", "xarray")
    places = {name: columns[name] for name in coordinates}
    values = {name: v for name, v in columns.items() if name not in places}
    if not axes:
        at = {name: ("point", v) for name, v in places.items()}
        return xarray.Dataset({n: ("point", v) for n, v in values.items()}, at)
    fixed = {name: float(v[0]) for name, v in places.items() if name not in axes}
    arrays = {name: (tuple(axes), v.reshape(shape)) for name, v in values.items()}
    return xarray.Dataset(arrays, {**axes, **fixed})
