"""Keeps advice of other packages out of the program's own lines."""

import logging
import warnings

from pinn.base.console import say

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
