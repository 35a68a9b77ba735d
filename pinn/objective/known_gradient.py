"""A loss that brings its gradient along."""

from typing import Any

import torch
from torch import Tensor

from pinn.base.torch_adapter import multiply


class Gradient(torch.autograd.Function):
    """A loss whose gradient is known:  backward hands it on."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *parameters: Tensor) -> Tensor:
        """The loss, attached to the parameters."""
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple:
        """∂L/∂θ times what arrives."""
        return None, None, *multiply(ctx.gradients, upstream[0])
