"""Columns of numbers by name: of a file, of arrays, or of a data frame.

CSV and other text is read by `text_tables`. An npz file has an array for each column.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pinn.base.messages import cut, echo, near_miss
from pinn.base.paths import unreadable
from pinn.geometry.text_tables import TextTable, read_text

Array = NDArray[np.float64]
BINARY = (".xlsx", ".xls", ".ods", ".parquet", ".feather", ".h5", ".hdf5", ".mat", ".nc", ".pkl")


@dataclass(frozen=True)
class Table:
    """Columns by name, or by number where they have none.

    Args:
        title: how messages name it: a file, or `points 'sensors'`.
        names: of the columns that have one, in order.
        count: of all columns; those without a name are known by their number, from 0.
        read: the number of a column, and its name → its values, NaN where there is none.
        place: the number of a row → where it stands, such as `line 17`.
    """

    title: str
    names: dict[str, int]
    count: int
    read: Callable[[int, str], Array]
    place: Callable[[int], str]

    def column(self, key: str | int) -> Array:
        """The values of a column, NaN where there is none.

        Raises:
            ValueError: there is no such column, or a value is no number.
        """
        return self.read(self.number(key), str(key))

    def number(self, key: str | int) -> int:
        """The number of a column.

        Raises:
            ValueError: there is none of that name or number.
        """
        if isinstance(key, int) and not isinstance(key, bool):
            if not 0 <= key < self.count:
                raise ValueError(
                    f"{self.title} has no column {key}: it has {self.count}, numbered from 0"
                )
            return key
        if not self.names:
            raise ValueError(
                f"{self.title} has no names for its columns: give a header, or the number of each "
                'column from 0, columns={"x": 0, "y": 1}'
            )
        if key not in self.names:
            known = cut(near_miss(key, self.names), 300)
            raise ValueError(f"{self.title} has no column {echo(key)}: {known}")
        return self.names[key]


def table_of(data: Any, title: str, file: Path | None = None) -> Table:
    """The table in a file, or that of what was given in its place.

    Args:
        data: a mapping of columns, a data frame, or an array; not used if there is a file.
        title: how messages name it.
        file: where the file is.

    Raises:
        ValueError: there is no table in it; one line says why.
    """
    if file is None:
        return in_memory(data, title)
    if why := unreadable(file):
        raise ValueError(f"{title} {why}")
    ending = file.suffix.lower()
    if ending in BINARY:
        raise ValueError(f"{title} is no text: save the table as CSV, or as npz")
    if ending in (".npz", ".npy"):
        return in_memory(arrays_in(file, title), title)
    try:
        text = read_text(file, title)
    except OSError as error:
        raise ValueError(f"{title} cannot be read: {error.strerror}") from error
    return of_text(text)


def of_text(text: TextTable) -> Table:
    """The table in a file of text."""
    return Table(
        text.title,
        {name: number for number, name in enumerate(text.names) if name},
        len(text.rows[0]),
        lambda number, name: np.array(text.column(number, name), dtype=np.float64),
        lambda row: f"line {text.lines[row]}",
    )


def arrays_in(file: Path, title: str) -> Any:
    """The arrays of an npz file by name, or the one of an npy file.

    Raises:
        ValueError: the file is something else, or holds Python objects.
    """
    try:
        with file.open("rb") as opened:
            found = np.load(opened, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            return {name: found[name] for name in found.files if found[name].ndim}
    except Exception as error:  # NumPy has several for damaged files
        why = "it is damaged, or of another format"
        if "allow_pickle" in str(error) and "Object" in str(error):
            why = "it holds Python objects"
        raise ValueError(f"{title} cannot be read: {why}: save arrays of numbers") from error


def in_memory(data: Any, title: str) -> Table:
    """The table of a mapping, a data frame, or an array.

    Raises:
        ValueError: it is none of them, or has no columns.
    """
    names, columns = columns_of(data, title)
    if not columns:
        raise ValueError(f"{title} has no columns")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{title}: two columns are called {twice!r}: rename one")
    return Table(
        title,
        {name: number for number, name in enumerate(names)},
        len(columns),
        lambda number, name: numbers(columns[number], name, title),
        lambda row: f"row {row}",
    )


def columns_of(data: Any, title: str) -> tuple[list[str], list[Any]]:
    """The names of the columns, if they have any, and the columns."""
    if isinstance(data, Mapping):
        return [str(name) for name in data], list(data.values())
    if not isinstance(data, np.ndarray | Tensor) and hasattr(data, "columns"):  # a data frame
        names = [str(name) for name in data.columns]
        unique = len(set(names)) == len(names)
        return names, [np.asarray(data[name]) for name in data.columns] if unique else names
    array = data.detach().cpu().numpy() if isinstance(data, Tensor) else data
    if isinstance(array, np.ndarray) and array.dtype.names:
        return list(array.dtype.names), [array[name] for name in array.dtype.names]
    if isinstance(array, np.ndarray) and array.ndim == 2:
        return [], list(array.T)
    shape = f" of shape {array.shape}" if isinstance(array, np.ndarray) else ""
    raise ValueError(
        f"{title}: {type(data).__name__}{shape} is no table: give the path of a file, a mapping of "
        "columns, a data frame, or an array (N, columns)"
    )


def numbers(values: Any, name: str, title: str) -> Array:
    """A column as float64, a copy of its own.

    Raises:
        ValueError: it holds something else.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
        if array.dtype.kind in "mMc":
            kind = "complex numbers" if array.dtype.kind == "c" else "dates"
            raise ValueError(f"it holds {kind}")
        return np.array(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{title}: column {name!r} is not numeric: {error}") from error
