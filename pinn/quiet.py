"""No advice from third parties between the program's own lines."""

import logging
import warnings


def quiet() -> None:
    """Silence Lightning's tips, notices and warnings; errors are raised, not logged."""
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
