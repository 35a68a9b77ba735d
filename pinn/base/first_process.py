"""Which of the processes of a run speaks: the first one, as its launcher tells without torch."""

import os

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # as Lightning looks


def rank_told() -> str:
    """The number of this process, as its launcher tells."""
    return next((os.environ[name] for name in RANKS if name in os.environ), "0")


def is_first() -> bool:
    """Whether this is the first of the processes that train a run."""
    return rank_told() == "0" and ("RANK" in os.environ or os.environ.get("NODE_RANK", "0") == "0")
