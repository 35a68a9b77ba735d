"""Convolutions over a grid of features:  linear, the same on every stream."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.rules.axes import refuse, width
from pinn.algebra.series import Series


def convolution(name: str, axes: int) -> Callable[..., Series]:
    """The rule of a convolution of features (channels, *grid) at each point.

    Args:
        name: of the function in `torch.nn.functional`.
        axes: how many the grid has.
    """
    function = getattr(F, name)

    def rule(
        x: Series, weight: Tensor, bias: Tensor | None = None, *settings: Any, **more: Any
    ) -> Series:
        if width(x) != axes + 1 or any(isinstance(t, Series) for t in (weight, bias)):
            raise refuse(name, f"of features {tuple(x.value.shape[x.lead :])}")

        def convolved(s: Tensor, shift: Tensor | None = None) -> Tensor:
            front = s.shape[: -axes - 1]
            together = s.reshape(-1, *s.shape[-axes - 1 :])
            result = function(together, weight, shift, *settings, **more)
            return result.reshape(*front, *result.shape[1:])

        return x.map(convolved, convolved(x.value, bias))

    return rule


CONVOLUTION: dict[Callable, Callable] = {
    getattr(F, f"{kind}{axes}d"): convolution(f"{kind}{axes}d", axes)
    for kind in ("conv", "conv_transpose")
    for axes in (1, 2, 3)
}
