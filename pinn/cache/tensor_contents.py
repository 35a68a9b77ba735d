"""What tells whether a tensor or an array is as it was."""

from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from pinn.base.torch_adapter import is_wrapped as stands_for_others
from pinn.base.torch_adapter import unwrapped, version_of

WHOLE = 4096  # entries of a tensor or array that are all looked at
SAMPLE = 1024  # of a larger one
PLAIN = {Tensor, nn.Parameter, nn.Buffer}


def shape_of(tensor: Tensor) -> tuple:
    """What an evaluation may ask of a tensor besides its numbers."""
    return type(tensor), tensor.shape, tensor.dtype, tensor.requires_grad, tensor.device


class Contents(NamedTuple):
    """A stand-in for the numbers of a tensor.

    Args:
        real: whether they are floating-point numbers.
        mark: what changes where they do.
    """

    real: bool
    mark: Any


def contents(tensor: Tensor) -> Contents:
    """A stand-in for the numbers of a tensor; of one on a device, its version and address."""
    real = tensor.is_floating_point()
    if is_wrapped(tensor) or tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        return Contents(real, id(tensor))
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.dtype is torch.bfloat16:
        plain = plain.float()
    version = 0 if tensor.numel() <= WHOLE or tensor.is_inference() else version_of(tensor)
    return Contents(real, (version, checksum(plain.numpy())))


def is_wrapped(tensor: Tensor) -> bool:
    """Whether this tensor stands for others while a function is transformed or compiled."""
    return type(tensor) not in PLAIN or stands_for_others(tensor)


def requires_grad(tensor: Tensor) -> bool:
    """Whether a gradient reaches a tensor, also one from outside the transform around it."""
    while stands_for_others(tensor):
        outer = unwrapped(tensor)
        if tensor.requires_grad or outer is None:
            return True
        tensor = outer
    return tensor.requires_grad


def checksum(values: np.ndarray) -> Any:
    """The bytes of a small array; a checksum of a larger one, and of a part of a large one."""
    if values.size > WHOLE:
        values = values.flat[:: values.size // SAMPLE]
    data = values.tobytes()
    return data if len(data) <= 256 else (len(data), crc32(data))
