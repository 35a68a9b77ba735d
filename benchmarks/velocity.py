"""The networks  u: Rᵈ → Rᵈ  whose divergence is measured: what is shared makes the difference."""

from __future__ import annotations

import sys
from itertools import pairwise

import torch
from contestants import PEERS
from torch import Tensor, nn

sys.path.insert(0, str(PEERS))
from dense import sequential
from flow import Flow

WIDTH = 128
SMALL = 32  # units of a hidden layer of a head

TITLES = {
    "dense": "dense, 3 × 128",
    "trunk": "trunk 2 × 128 + a head 1 × 32 per component",
    "heads": "separate heads 2 × 32, one per component",
}


class Heads(nn.Module):
    """uᵢ = hᵢ(t(x)), returned as a tuple of components (…, 1).

    Args:
        trunk: t, what all components share.
        heads: hᵢ, one per component.
    """

    def __init__(self, trunk: nn.Module, heads: list[nn.Sequential]) -> None:
        super().__init__()
        self.trunk, self.heads = trunk, nn.ModuleList(heads)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The components at x (…, d)."""
        shared = self.trunk(x)
        return tuple(head(shared) for head in self.heads)


def dense(sizes: list[int]) -> nn.Sequential:
    """Linear layers with tanh in between."""
    layers: list[nn.Module] = []
    for given, made in pairwise(sizes):
        layers += [nn.Linear(given, made), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def velocity(name: str, flow: Flow) -> nn.Module:
    """A network by its name in `TITLES`; the dense one has the weights that the peers have."""
    d = flow.d
    if name == "dense":
        return sequential(flow.weights, flow.biases)
    torch.manual_seed(0)
    if name == "trunk":
        trunk = nn.Sequential(dense([d, WIDTH, WIDTH]), nn.Tanh())
        return Heads(trunk, [dense([WIDTH, SMALL, 1]) for _ in range(d)])
    return Heads(nn.Identity(), [dense([d, SMALL, SMALL, 1]) for _ in range(d)])
