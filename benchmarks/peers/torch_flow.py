"""What the PyTorch contestants of the divergence share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from dense import sequential
from flow import Flow, Mode
from serving import Evaluate
from torch import Tensor, nn

Divergence = Callable[[nn.Module, Tensor], Tensor]


def preparing(divergence: Divergence) -> Callable[[Flow, Mode], Evaluate]:
    """How to time a divergence, given as a function of the network and points (N, d).

    The network and the points are made once; the points require gradients before each evaluation.
    """

    def prepare(flow: Flow, mode: Mode) -> Evaluate:
        network = sequential(flow.weights, flow.biases)
        points = torch.tensor(flow.points)
        parameters = list(network.parameters())

        def evaluate() -> float:
            square = divergence(network, points.detach().requires_grad_()).square().mean()
            if mode == "gradient":
                # The last bias does not act on the divergence.
                torch.autograd.grad(square, parameters, allow_unused=True)
            return float(square.detach())

        return evaluate

    return prepare
