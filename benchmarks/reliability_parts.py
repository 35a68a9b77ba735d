"""The parts of the benchmark of reliability, and the rows that each one has, in both forms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reliability_table import Row


class Part(NamedTuple):
    """A function `(short, folder) -> rows`.

    Args:
        file: that has it.
        rows: what its rows are called.
    """

    file: str
    rows: tuple[str, ...]

    def checked(self, rows: Iterable[Row]) -> list[Row]:
        """The rows; one that is missing, or that has no name here, makes it a ValueError."""
        found = list(rows)
        if (names := tuple(row.what for row in found)) != self.rows:
            raise ValueError(f"rows {names}, expected {self.rows}")
        return found


STAGES = (
    "as Python starts",
    "torch is loaded",
    "Lightning is loaded",
    "the problem is built",
    "measuring",
    "the choice of eager or recorded",
    "the first step",
    "between steps",
    "a validation",
    "pictures",
    "the end",
    "after the end",
    "at any moment",
)
KINDS = (
    "one set of points",
    "new points",
    "adapted points",
    "Gauss points",
    "balanced weights",
    "a learned coefficient",
)
FLIPS = ("records", "directory of the archive", "format number", "hash and versions")
PAIRS = (
    "a second owner of a run",
    "--resume auto beside a live run",
    "a run whose owner was killed",
)
# The longest come first, so that the processors are busy to the end.
PARTS = {
    "kills": Part("reliability_runs", ("kill -9", "kill -9, then --resume auto")),
    "resume": Part("reliability_resume", tuple(f"stopped, continued: {kind}" for kind in KINDS)),
    "signals": Part("reliability_signals", tuple(f"signal: {stage}" for stage in STAGES)),
    "ranks": Part("reliability_runs", ("rank 1 of 2 killed", "rank 0 of 2 killed")),
    "wrong_contents": Part(
        "reliability_contents", ("wrong contents, resumed", "wrong contents, read")
    ),
    "pairs": Part("reliability_runs", PAIRS),
    "memory": Part("reliability_memory", ("memory of a long run", "files of a long run")),
    "flips": Part("reliability_files", tuple(f"a bit flipped: {place}" for place in FLIPS)),
    "mutants": Part(
        "reliability_yaml", ("configurations changed by chance", "code in configurations")
    ),
    "disk_full": Part("reliability_disk", ("disk full to the end", "disk full for a while")),
    "foreign": Part("reliability_foreign", ("corrupt or foreign files",)),
    "bombs": Part("reliability_yaml", ("input without an end",)),
    "hashing": Part("reliability_files", ("hash of 100 MB",)),
}
