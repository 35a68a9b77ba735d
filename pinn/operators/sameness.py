"""Whether an evaluation that is made again is the same one.

A graph is held against the Python, and what runs again in a backward pass against the forward pass.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def refuse_changed(same: bool) -> None:
    """Refuse a backward pass through what has changed since the forward pass.

    Raises:
        RuntimeError: it has.
    """
    if not same:
        raise RuntimeError(
            "the backward pass evaluates f again (memory= is given, or a second derivative is "
            "taken), and f is no longer what it was in the forward pass: something that it reads "
            "has changed, such as a number, a mode or the weights of torch.func.functional_call. "
            "Call backward before the change, or give no memory= and compile=False"
        )


def agree(pairs: Sequence[tuple[Tensor, Tensor]], scale: Callable[[], float]) -> bool:
    """Whether values and gradients differ by no more than rounding, each by its norm.

    Args:
        pairs: the values first.
        scale: of the terms that cancel in the values; asked for if the values are too small.
    """
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in pairs):
        return False
    root = torch.finfo(pairs[0][0].dtype).eps ** 0.5
    gaps = [float(torch.where(b.isfinite() | a.isfinite(), a - b, 0).norm()) for a, b in pairs]
    sizes = [float(torch.where(b.isfinite(), b, 0).norm()) for _, b in pairs]
    largest = max(sizes[1:], default=0.0)
    if any(gap > root * (s + largest / 1e3) for gap, s in zip(gaps[1:], sizes[1:], strict=True)):
        return False
    if gaps[0] <= root * sizes[0]:
        return True
    terms = scale() * pairs[0][0].numel() ** 0.5
    return gaps[0] <= root * sizes[0] + 100 * root**2 * terms
