"""What the PyTorch contestants share: tensors, weights, and a warm import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch._dynamo  # the first optimiser imports it: that is not the model's memory
from case import Array
from torch import Tensor, nn


def tensor(array: Array, device: str = "cpu") -> Tensor:
    """An array as a tensor of its own."""
    return torch.tensor(array, device=device)


def linears(network: nn.Module) -> list[nn.Linear]:
    """The layers of a dense network, in order."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


@torch.no_grad()
def fill(network: nn.Module, weights: Sequence[Array], biases: Sequence[Array]) -> None:
    """Give a dense network its weights (out, in) and biases (out,)."""
    for layer, weight, bias in zip(linears(network), weights, biases, strict=True):
        layer.weight.copy_(torch.as_tensor(weight))
        layer.bias.copy_(torch.as_tensor(bias))


def sequential(weights: Sequence[Array], biases: Sequence[Array]) -> nn.Sequential:
    """A plain dense tanh network with these weights and biases."""
    layers: list[nn.Module] = []
    for weight in weights:
        layers += [nn.Linear(weight.shape[1], weight.shape[0]), nn.Tanh()]
    network = nn.Sequential(*layers[:-1])
    fill(network, weights, biases)
    return network


class DeviceMemory:
    """Peak memory that PyTorch holds on a CUDA device, in MB."""

    def peak(self) -> float:
        """The peak since `restart`."""
        return torch.cuda.max_memory_allocated() / 2**20

    def restart(self) -> None:
        """Forget the peak."""
        torch.cuda.reset_peak_memory_stats()


def on_device(device: str) -> dict[str, Any]:
    """How a session waits and measures memory on a device."""
    if device == "cpu":
        return {}
    return {"synchronise": torch.cuda.synchronize, "memory": DeviceMemory()}
