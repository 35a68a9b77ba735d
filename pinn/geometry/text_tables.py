"""Text with columns: a header, rows of numbers, and the line of each, as an editor counts.

Commas, semicolons, tabs or spaces separate the cells. Lines that begin with # are comments; the
last one before the numbers may be the header, as `numpy.savetxt` writes it.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pinn.base.messages import cut, echo

MARKS = ("\t", ";", ",")  # the first of them that is in the header and in the first row separates
Row = tuple[int, list[str]]  # number of the line, cells


@dataclass(frozen=True)
class TextTable:
    """The cells of a file.

    Args:
        title: how messages name the file.
        names: the header; empty where there is none, and an empty name where a column has none.
        rows: the cells, all rows equally long.
        lines: the line of each row.
    """

    title: str
    names: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, number: int, name: str) -> list[float]:
        """The numbers of a column; NaN where a cell is empty.

        Raises:
            ValueError: a cell holds something else.
        """
        cells = [row[number] for row in self.rows]
        try:
            values = [float(cell) if cell else math.nan for cell in cells]
        except ValueError:
            values = []
        if values and not any("_" in cell for cell in cells):  # which Python's numbers may have
            return values
        line, cell = next(
            (line, cell)
            for line, cell in zip(self.lines, cells, strict=True)
            if cell and not is_number(cell)
        )
        raise ValueError(
            f"{self.title}, line {line}, column {name!r}: {echo(cell)} is not a number{cure(cell)}"
        )


def is_number(cell: str) -> bool:
    """Whether a cell holds a number; `nan` and `inf` are ones."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def cure(cell: str) -> str:
    """How a number has to be written that another program writes otherwise."""
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", cell):
        return f": write {cell.replace(',', '.')}, with a decimal point"
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)[dD][+-]?\d+", cell):
        return f": write {re.sub('[dD]', 'e', cell)}"
    if re.match(r"[+-]?\d", cell):
        return ": write the number alone"
    return ""


def read_text(path: Path, title: str) -> TextTable:
    """The table in a file of text.

    Raises:
        ValueError: it is no text in UTF-8, has no rows, or its lines do not fit together; the
            message names the line.
    """
    lines = list(enumerate(io.StringIO(decoded(path, title), newline=""), 1))
    told = [(n, line) for n, line in lines if line.strip() and not is_comment(line)]
    content = list(whole_rows(told))
    if not content:
        raise ValueError(f"{title} has no rows: expected a header, and a row for each point")
    mark = separator([line for _, line in content[:2]])
    rows = list(split(content, mark, title))
    first = content[0][0]
    comments = [(n, line) for n, line in lines[: first - 1] if is_comment(line)]
    header, rows = headed(rows, comments, mark)
    names = [] if header is None else header[1]
    if not rows:
        raise ValueError(f"{title} has a header and no rows")
    check_names(names, header, title)
    width = len(names) if header else len(rows[0][1])
    if header and not any(is_number(cell) for cell in rows[0][1]) and any(rows[0][1]):
        raise ValueError(
            f"{title}, line {rows[0][0]}: {cut(', '.join(map(repr, rows[0][1])))} are no numbers: "
            "begin a line of units with #, or remove it"
        )
    cells = [fitted(row, width, mark, title) for row in rows]
    return TextTable(title, names, cells, [n for n, _ in rows])


def decoded(path: Path, title: str) -> str:
    """The text of a file in UTF-8, with or without a mark at its beginning.

    Raises:
        ValueError: it is something else.
    """
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{title} is text in UTF-16: save it as CSV in UTF-8")
    if b"\0" in raw:
        raise ValueError(f"{title} is no text: save the table as CSV, or as npz")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + raw.count(b"\n", 0, error.start)
        raise ValueError(
            f"{title}, line {line}: the byte {raw[error.start]:#04x} is no UTF-8: save the file "
            "as CSV in UTF-8"
        ) from None


def is_comment(line: str) -> bool:
    """Whether a line is a comment."""
    return line.lstrip().startswith("#")


def separator(lines: Sequence[str]) -> str:
    """What separates the cells of the first lines; a space where no other mark does."""
    outside = [re.sub(r'"[^"]*"', "", line).strip(" \r\n") for line in lines]
    return next((mark for mark in MARKS if all(mark in line for line in outside)), " ")


def whole_rows(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines, joined where a quoted cell goes on in the next one; the number of the first."""
    begun, text = 0, ""
    for number, line in lines:
        begun, text = begun or number, text + line
        if text.count('"') % 2 == 0:
            yield begun, text
            begun, text = 0, ""
    if text:
        yield begun, text


def split(lines: Sequence[tuple[int, str]], mark: str, title: str) -> Iterator[Row]:
    """The cells of each line, with its number.

    Raises:
        ValueError: a quotation mark is not closed, or not at the end of a cell.
    """
    texts = (" ".join(line.split()) if mark == " " else line for _, line in lines)
    reader = csv.reader(texts, delimiter=mark, skipinitialspace=True, strict=True)
    for number, _ in lines:
        try:
            yield number, [cell.strip() for cell in next(reader)]
        except csv.Error:
            raise ValueError(
                f"{title}, line {number}: a quotation mark is not closed, or stands inside a cell"
            ) from None


def headed(
    rows: list[Row], comments: Sequence[tuple[int, str]], mark: str
) -> tuple[Row | None, list[Row]]:
    """The header, and the rows of numbers below it."""
    if not any(is_number(cell) for cell in rows[0][1]):
        return rows[0], rows[1:]
    if comments:
        number, line = comments[-1]
        ((_, names),) = split([(number, line.lstrip("# \t"))], mark, "")
        if len(names) == len(rows[0][1]) and not any(map(is_number, names)):
            return (number, names), rows
    return None, rows


def check_names(names: Sequence[str], header: Row | None, title: str) -> None:
    """Refuse a header with two equal names."""
    for place, name in enumerate(names):
        if name and name in names[:place] and header:
            raise ValueError(
                f"{title}, line {header[0]}: the columns {names.index(name) + 1} and {place + 1} "
                f"are both called {name!r}: rename one"
            )


def fitted(row: Row, width: int, mark: str, title: str) -> list[str]:
    """The cells of a row, without an empty one behind its last separator.

    Raises:
        ValueError: there are more or fewer than in the header.
    """
    number, cells = row
    if len(cells) == width + 1 and not cells[-1]:
        return cells[:-1]
    if len(cells) != width:
        why = ""
        if mark == "," and len(cells) > width and len(cells) in (2 * width, 2 * width - 1):
            why = ": with decimal commas, separate the cells by semicolons and write points"
        raise ValueError(
            f"{title}, line {number}: {len(cells)} cells, where the first line has {width}{why}"
        )
    return cells
