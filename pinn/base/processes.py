"""Several processes that train together: how many, which one this is, their sums."""

from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def processes() -> int:
    """How many processes train together; 1 where none was started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return dist.get_rank() if processes() > 1 else 0


def total(value: Tensor) -> Tensor:
    """Σ over the processes; in place."""
    if processes() > 1:
        dist.all_reduce(value)
    return value


def averaged(loss: Tensor) -> Tensor:
    """The same loss on every process, as a line search needs, with this one's gradient."""
    if processes() == 1:
        return loss
    mean = total(loss.detach().clone()) / processes()
    return loss + (mean - loss.detach())


def agreed(value: Tensor) -> Tensor:
    """The value of the first process, bit for bit; in place."""
    if processes() > 1:
        dist.broadcast(value, 0)
    return value


def agreed_numbers(values: list[float], device: torch.device) -> list[float]:
    """The numbers of the first process, through its device where there are several."""
    if processes() == 1:
        return values
    return agreed(torch.tensor(values, dtype=torch.float64, device=device)).tolist()


def gathered(value: T) -> list[T]:
    """The plain data of every process, in their order."""
    if processes() == 1:
        return [value]
    values: list[T] = [value] * processes()
    dist.all_gather_object(values, value)
    return values


def stacked(rows: Tensor) -> Tensor:
    """(m, n) of every process, one below the other in the order of the processes."""
    if processes() == 1:
        return rows
    numbers = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(processes())]
    dist.all_gather(numbers, torch.tensor([len(rows)], device=rows.device))
    counts = [int(n) for n in numbers]
    padded = rows.new_zeros(max(counts), rows.shape[1])  # all_gather wants one shape
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])
