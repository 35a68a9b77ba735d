"""One row of the table of reliability, and the table as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """What was tried, how often, and how it ended.

    Args:
        what: the fault, in a few words.
        tried: how many cases.
        good: how many of them ended as promised.
        promised: how a case has to end, in a few words.
        note: what else is worth saying: the first case that did not end so, or a time.
        anew: how many of the cases were `python train.py` from its first line of Python on.
    """

    what: str
    tried: int
    good: int
    promised: str
    note: str = ""
    anew: int = 0

    @property
    def is_met(self) -> bool:
        """Whether every case ended as promised, and there was one."""
        return 0 < self.tried == self.good


HEAD = "| fault | cases | started anew | as promised | promised | note |\n|---|---|---|---|---|---|"


def line(row: Row) -> str:
    """A row as Markdown; a count that is too small is bold."""
    good = str(row.good) if row.is_met else f"**{row.good}**"
    note = row.note.replace("|", " ").replace("\n", " ")
    return f"| {row.what} | {row.tried} | {row.anew} | {good} | {row.promised} | {note} |"


def markdown(rows: Iterable[Row]) -> str:
    """The whole table."""
    return "\n".join([HEAD, *map(line, rows)]) + "\n"
