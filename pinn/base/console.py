"""What the program says: one line at a time, from the first process only."""

import logging
import math
import os
import shutil
import sys
import time
import warnings
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

QUICK = 2.0  # seconds: what took less the last time is not worth a line


@rank_zero_only
def say(line: str) -> None:
    """Print a line without disturbing a progress bar."""
    from tqdm import tqdm

    with tqdm.external_write_mode():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@rank_zero_only
def show(table: Table) -> None:
    """Print a table, beyond the width of the terminal where a number would be cut."""
    console = Console(soft_wrap=True, highlight=False)
    least = Measurement.get(console, console.options.update(max_width=10_000), table).minimum
    console.width = max(console.width, least)
    console.print(table)


def command_of(program: str) -> list[str]:
    """The words that start a program of this Python's environment, as they can be typed here."""
    beside = Path(sys.executable).with_name(program)
    if program == "python":
        beside = Path(sys.executable)
    if not beside.exists():
        return [sys.executable, "-m", f"{program}.main"]
    if Path(shutil.which(program) or "") == beside:
        return [program]
    return [str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)]


def is_terminal() -> bool:
    """Whether standard output can redraw a line."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Activity:
    """Something that may take seconds: said before it begins, unless it was quick the last time.

        with Activity("drawing the fields"):
            ...

    Args:
        what: it is, as in `drawing the fields`.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.lasted = math.inf
        self.began = 0.0

    def __enter__(self) -> None:
        if self.lasted > QUICK:
            say(f"{self.what} …")
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.lasted = time.perf_counter() - self.began


# Where Lightning logs what was asked for: the table of a profiler, the summary of a model.
ASKED = ("lightning.pytorch.profilers.profiler", "lightning.pytorch.callbacks.model_summary")


class Said(logging.Handler):
    """Prints records as the program's own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        say(record.getMessage().strip("\n"))


def quiet() -> None:
    """Silence Lightning's tips, notices and warnings; errors are raised, not logged."""
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ASKED:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        if not any(isinstance(handler, Said) for handler in logger.handlers):
            logger.addHandler(Said())
