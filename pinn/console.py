"""What the program says: one line at a time, from the first process only."""

import sys

from lightning.pytorch.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Table


@rank_zero_only
def say(line: str) -> None:
    """Print a line without disturbing a progress bar."""
    from tqdm import tqdm

    with tqdm.external_write_mode():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@rank_zero_only
def show(table: Table) -> None:
    """Print a table."""
    Console(soft_wrap=True, highlight=False).print(table)
