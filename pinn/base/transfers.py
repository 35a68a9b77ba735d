"""Numbers on their way between Python and a device, for which nobody waits.

A step on a GPU is a queue of launches. Where Python reads a number it waits until the queue is
empty, and the GPU then waits for Python. So a steady step reads nothing and sends nothing.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def reads_are_free(device: torch.device) -> bool:
    """Whether Python reads numbers without waiting for a device."""
    return device.type in ("cpu", "meta")


class Transfer:
    """The numbers of a tensor as they are now; Python waits only when it asks for them.

    Args:
        tensor: on any device; changes after this moment are not seen.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.copy, self.arrival = tensor.detach(), None
        if tensor.device.type == "cuda":
            self.copy = torch.empty_like(self.copy, device="cpu", pin_memory=True)
            self.copy.copy_(tensor.detach(), non_blocking=True)
            self.arrival = torch.cuda.Event()
            self.arrival.record(torch.cuda.current_stream(tensor.device))

    @property
    def number(self) -> float:
        """That of a tensor with a single one."""
        if self.arrival is not None:
            self.arrival.synchronize()
        return float(self.copy)


@lru_cache(maxsize=64)
def sent_once(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers (n,) on a device, sent there once; not to be written to."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def sent(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor in the precision and on the device of another; Python does not wait for a GPU."""
    if like.device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.to(like.dtype).pin_memory()  # what is converted on the way is not pinned
    return tensor.to(like, non_blocking=True)


def number_on(value: Any, dtype: torch.dtype, device: torch.device | str | None) -> Tensor:
    """A number () on a device, made there where it would have to be sent; an array is sent."""
    if isinstance(value, int | float) and device and not reads_are_free(torch.device(device)):
        return torch.full((), value, dtype=dtype, device=device)
    return torch.as_tensor(value, dtype=dtype, device=device)
