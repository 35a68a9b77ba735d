"""The columns of a table under our names: renamed, of one length, without gaps."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinn.base.console import say
from pinn.base.messages import cut, echo, near_miss, one_of
from pinn.geometry.tables import Array, Table

Names = Mapping[str, str | int] | Sequence[str]
GAPS = ("refuse", "drop")


@dataclass(frozen=True)
class Columns:
    """Columns of one length, by our names, every value finite.

    Args:
        table: where they come from.
        values: name → (N,).
        shape: points per axis where the table has a grid, else (N,).
        rows: which row of the table each one is.
    """

    table: Table
    values: dict[str, Array]
    shape: tuple[int, ...]
    rows: NDArray[np.int64]

    def place(self, index: int) -> str:
        """Where a row stands in the table, such as `line 17`."""
        return self.table.place(int(self.rows[index]))

    def fault(self, index: int, name: str, what: str) -> str:
        """The line about a value."""
        place = self.place(index)
        if place.startswith("line"):
            return f"{self.table.title}, {place}, column {name!r} {what}"
        return f"{self.table.title}: column {name!r} {what} in {place}"


def pick(
    table: Table,
    coordinates: Sequence[str],
    names: Names | None = None,
    extra: Sequence[str] = (),
    missing: str = "refuse",
) -> Columns:
    """The columns that are asked for, and those of the coordinates.

    Args:
        table: the table.
        coordinates: columns that have to be there.
        names: our name → that of the table, or its number; or the names of columns. Coordinates
            that are not named have their own names. By default all columns, which have names then.
        extra: further columns, by our names or those of the table.
        missing: `refuse` a row without a value, or `drop` it, which a line says.

    Raises:
        ValueError: a column is not there or not numeric, columns differ in length, a value is
            missing or infinite.
    """
    one_of("missing", missing, GAPS)
    wanted = asked(table, coordinates, names, extra)
    values = {name: table.column(key) for name, key in wanted.items()}
    values, shape = on_one_shape(values, coordinates, table.title)
    columns = Columns(table, values, shape, np.arange(len(next(iter(values.values())))))
    columns = without_gaps(columns, missing == "drop")
    for name, column in columns.values.items():
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise ValueError(columns.fault(row, name, f"holds {column[row]}") + ", remove that row")
    return columns


def asked(
    table: Table, coordinates: Sequence[str], names: Names | None, extra: Sequence[str]
) -> dict[str, str | int]:
    """Our names → those of the table, coordinates first."""
    if names is None:
        given: dict[str, str | int] = {name: name for name in table.names}
    elif isinstance(names, Mapping):
        given = dict(names)
    elif isinstance(names, str):
        raise ValueError(f"{table.title}: columns is the text {names!r}: give a list of names")
    else:
        given = {name: name for name in names}
    for name, key in given.items():
        if not isinstance(name, str) or isinstance(key, bool) or not isinstance(key, str | int):
            raise ValueError(
                f"{table.title}: columns has {name!r}: {echo(key)}: give our name, and the name or "
                'the number of the column in the table, {"u": "u_measured"}'
            )
        if isinstance(key, str) and key not in table.names and name in table.names:
            raise ValueError(
                f"{table.title} has a column {name!r} and none {key!r}: in columns our name comes "
                f"first, {{{key!r}: {name!r}}}"
            )
    for name in coordinates:
        if name not in given and name not in table.names and table.names:
            alike = next((n for n in table.names if re.match(rf"(?i){name}(\W|_|$)", n)), "…")
            known = cut(near_miss(name, table.names), 300)
            raise ValueError(
                f"{table.title}: no column for coordinate {name!r}, {known}; rename one with "
                f"columns={{{name!r}: {alike!r}}}"
            )
    wanted = {name: given.get(name, name) for name in coordinates} | given
    return wanted | {name: name for name in extra if name not in wanted}


def on_one_shape(
    values: dict[str, Array], coordinates: Sequence[str], title: str
) -> tuple[dict[str, Array], tuple[int, ...]]:
    """Columns of one length, of arrays that are all of one shape, or on a grid.

    A grid has one array for each coordinate, and values u[i, j] at (x[i], y[j]).

    Raises:
        ValueError: they are neither.
    """
    shapes = {name: column.shape for name, column in values.items()}
    first = next(iter(shapes.values()))
    if len(set(shapes.values())) == 1 and len(first) > 0:
        if not np.prod(first):
            name = next(iter(shapes))
            raise ValueError(f"{title}: column {name!r} must be (N,) and not empty, got {first}")
        return {name: column.reshape(-1) for name, column in values.items()}, (int(np.prod(first)),)
    axes = [shapes[name] for name in coordinates]
    grid = tuple(length for shape in axes for length in shape)
    others = {name: shape for name, shape in shapes.items() if name not in coordinates}
    if all(len(shape) == 1 for shape in axes) and any(len(s) > 1 for s in others.values()):
        for name, shape in others.items():
            if shape != grid:
                turned = ": transpose it" if shape == grid[::-1] else ""
                raise ValueError(
                    f"{title}: {name!r} has the shape {shape}, and the axes "
                    f"{', '.join(coordinates)} have {grid}{turned}"
                )
        at = np.meshgrid(*(values[name] for name in coordinates), indexing="ij")
        flat = {name: column.reshape(-1) for name, column in zip(coordinates, at, strict=True)}
        return flat | {name: values[name].reshape(-1) for name in others}, grid
    for name, shape in shapes.items():
        if len(shape) != 1:
            raise ValueError(f"{title}: column {name!r} must be (N,) and not empty, got {shape}")
    lengths = {name: shape[0] for name, shape in shapes.items()}
    raise ValueError(f"{title}: columns differ in length, {lengths}")


def without_gaps(columns: Columns, drop: bool) -> Columns:
    """The rows that have all values.

    Raises:
        ValueError: one has not, and they are not to be dropped; or none has.
    """
    empty = {name: np.isnan(column) for name, column in columns.values.items()}
    gaps = np.logical_or.reduce(list(empty.values()))
    if not gaps.any():
        return columns
    row = int(np.flatnonzero(gaps)[0])
    name = next(name for name, column in empty.items() if column[row])
    if not drop:
        what = "is empty or nan" if columns.place(row).startswith("line") else "holds nan"
        cure = 'fill it in, or drop such rows by missing="drop"'
        raise ValueError(f"{columns.fault(row, name, what)}: {cure}")
    if gaps.all():
        raise ValueError(f"{columns.table.title}: every row lacks a value, the first one {name!r}")
    lacking = ", ".join(name for name, column in empty.items() if column.any())
    say(
        f"note      {columns.table.title}: {gaps.sum()} of {len(gaps)} rows are dropped, which "
        f"have no value of {lacking}"
    )
    kept = {name: column[~gaps] for name, column in columns.values.items()}
    rows = columns.rows[~gaps]
    return Columns(columns.table, kept, (len(rows),), rows)
