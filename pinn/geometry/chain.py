"""Points in order, from a file: a table with the columns x and y, or a list of an aerofoil."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pinn.geometry.columns import pick
from pinn.geometry.tables import table_of
from pinn.geometry.text_tables import decoded, is_comment, is_number

Array = NDArray[np.float64]


def points_in(file: str | Path) -> Array:
    """The points (N, 2) in a file, in order.

    Args:
        file: a table (CSV, npz) with the columns x and y; or text of two numbers per line, perhaps
            below a title, as lists of aerofoils are.

    Raises:
        ValueError: the file is missing, or a line is not two numbers; the message names it.
    """
    path, title = Path(file), str(file)
    if path.suffix.lower() not in (".npz", ".npy") and path.is_file() and is_list(path, title):
        return listed(path, title)
    columns = pick(table_of(None, title, path), ("x", "y"), ())
    return np.stack([columns.values["x"], columns.values["y"]], axis=-1)


def is_list(path: Path, title: str) -> bool:
    """Whether a text has no header that names x and y."""
    for line in decoded(path, title).splitlines():
        if line.strip() and not is_comment(line):
            words = {word.strip("\"'").lower() for word in cells(line)}
            return not {"x", "y"} <= words
    return False


def listed(path: Path, title: str) -> Array:
    """The pairs of numbers of a text; its first line may be a title."""
    rows = []
    content = [
        (number, cells(line))
        for number, line in enumerate(decoded(path, title).splitlines(), 1)
        if line.strip() and not is_comment(line)
    ]
    for place, (number, words) in enumerate(content):
        if len(words) == 2 and all(map(is_number, words)):
            rows.append([float(word) for word in words])
        elif place:
            raise ValueError(f"{title}, line {number}: {' '.join(words)!r} is not two numbers, x y")
    if not rows:
        raise ValueError(f"{title} has no points: give two numbers in each line, x y")
    return np.array(rows)


def cells(line: str) -> list[str]:
    """The words of a line, between commas, semicolons and blanks."""
    return line.replace(",", " ").replace(";", " ").split()
