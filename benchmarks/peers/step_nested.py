"""Nested `torch.autograd.grad` by hand, with Adam: what one writes without a package."""

import sys

import torch
from case import LEARNING_RATE, REYNOLDS, Case
from dense import on_device, sequential, tensor
from protocol import Session
from torch import Tensor


def slope(y: Tensor, x: Tensor) -> Tensor:
    """∂y/∂x (N, 2) of y (N,)."""
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def laplacian(gradient: Tensor, x: Tensor) -> Tensor:
    """∂²y/∂x² + ∂²y/∂y² (N,)."""
    return slope(gradient[:, 0], x)[:, 0] + slope(gradient[:, 1], x)[:, 1]


def total_loss(network: torch.nn.Module, x: Tensor, boundary: Tensor, velocity: Tensor) -> Tensor:
    """The loss of the case."""
    u, v, p = network(x).unbind(-1)
    du, dv, dp = slope(u, x), slope(v, x), slope(p, x)
    momentum_x = u * du[:, 0] + v * du[:, 1] + dp[:, 0] - laplacian(du, x) / REYNOLDS
    momentum_y = u * dv[:, 0] + v * dv[:, 1] + dp[:, 1] - laplacian(dv, x) / REYNOLDS
    continuity = du[:, 0] + dv[:, 1]
    given = (network(boundary)[:, :2] - velocity).square().sum(-1)
    residuals = (momentum_x, momentum_y, continuity)
    return sum((r.square().mean() for r in residuals), given.mean())


def main(path: str, device: str = "cpu") -> None:
    case = Case.load(path)
    session = Session({"torch": torch.__version__}, **on_device(device))
    network = sequential(case.weights, case.biases).to(device)
    x = tensor(case.interior, device).requires_grad_()
    boundary, velocity = tensor(case.boundary, device), tensor(case.velocity, device)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loss = torch.zeros(())
    while True:
        session.tick(loss.item)
        optimizer.zero_grad()
        loss = total_loss(network, x, boundary, velocity)
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
