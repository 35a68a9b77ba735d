"""Derivatives of any order of what a graph or a portion stands for, by running the Python again.

The points may themselves follow from the parameters, as in a solver of ordinary differential
equations. So the Python runs at copies of them: its derivatives are partial ones, and autograd adds
those of the points.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Tensors = Sequence[Tensor]
Function = Callable[[Tensors, Tensors], Tensors]


class Partial(torch.autograd.Function):
    """function(free, parameters), cut off from what the free tensors follow from.

    Called as `Partial.apply(function, count, *free, *parameters)` with `count` free tensors. The
    parameters are leaves that the function reads by itself.
    """

    @staticmethod
    def forward(ctx: Any, function: Function, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The results, without a graph."""
        ctx.function, ctx.count = function, count
        ctx.save_for_backward(*tensors)
        with torch.enable_grad():
            results = function(copies(tensors[:count]), tensors[count:])
        return tuple(part.detach() for part in results)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of all tensors."""
        tensors, function, count = ctx.saved_tensors, ctx.function, ctx.count
        free, parameters = tensors[:count], tensors[count:]
        return None, None, *gradients(function, free, parameters, slopes)


def gradients(
    function: Function, free: Tensors, parameters: Tensors, slopes: Tensors
) -> Sequence[Tensor]:
    """∂L/∂free and ∂L/∂parameters from ∂L/∂results; with a graph in grad mode."""
    pulled = pullback(function, len(free))
    if torch.is_grad_enabled():
        results: Sequence[Tensor] = Partial.apply(
            pulled, len(free) + len(slopes), *free, *slopes, *parameters
        )
        return results
    with torch.enable_grad():
        return [t.detach() for t in pulled(copies((*free, *slopes)), parameters, False)]


def pullback(function: Function, count: int) -> Callable[..., Tensors]:
    """(free and slopes, parameters) ↦ the gradients of a function with `count` free tensors."""

    def pulled(given: Tensors, parameters: Tensors, again: bool = True) -> Tensors:
        free, slopes = given[:count], given[count:]
        pairs = zip(function(free, parameters), slopes, strict=True)
        moving = [(part, slope) for part, slope in pairs if part.requires_grad]
        ends = [*free, *parameters]
        if not moving:
            return [torch.zeros_like(end) for end in ends]
        results, upstream = zip(*moving, strict=True)
        return torch.autograd.grad(
            results, ends, upstream, create_graph=again, materialize_grads=True
        )

    return pulled


def copies(tensors: Tensors) -> list[Tensor]:
    """Leaves with the same numbers."""
    return [t.detach().requires_grad_() for t in tensors]
