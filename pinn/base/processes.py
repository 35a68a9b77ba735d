"""Several processes that train together: how many there are, and which one this is."""

import torch.distributed as dist


def processes() -> int:
    """How many processes train together; 1 where none was started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return dist.get_rank() if processes() > 1 else 0
