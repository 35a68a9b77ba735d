"""Normalisation by its formula, where reverse mode through torch's own kernel is wrong.

Measured with torch 2.13: the gradient in the parameters of a second derivative through
`F.layer_norm` or `F.instance_norm` is off by the order of itself, without an error; that of a first
derivative is right, and so are group, RMS and batch norm.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Formulas(TorchFunctionMode):
    """Within it, layer and instance norm are made of elementary operations."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Pass everything else on, jets included: they have rules of their own."""
        found = kwargs or {}
        if not args or not isinstance(args[0], Tensor):
            return func(*args, **found)
        if func in (F.layer_norm, torch.layer_norm):
            return layer_norm(*args, **found)
        if func is F.instance_norm:
            return instance_norm(*args, **found)
        return func(*args, **found)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """(x − mean) / √(var + ε) ⊙ w + b over the last axes."""
    axes = tuple(range(-len(normalized_shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    y = centred * torch.rsqrt((centred * centred).mean(axes, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Layer norm over what lies behind the channels, axis 1, of each point."""
    if not use_input_stats or running_mean is not None or running_var is not None:
        return F.instance_norm(
            x, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
        )
    y = layer_norm(x.flatten(2), (x[0, 0].numel() if x.numel() else 1,), eps=eps).view_as(x)
    ones = (1,) * (x.ndim - 2)
    y = y if weight is None else y * weight.view(-1, *ones)
    return y if bias is None else y + bias.view(-1, *ones)
