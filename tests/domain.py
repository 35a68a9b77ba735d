"""A domain of two coordinates and time, its points, and networks built for it."""

import torch

from pinn.geometry import Rectangle
from pinn.networks import Network

FLOAT = torch.float64
DOMAIN = Rectangle(x=(-0.5, 1.0), y=(2.0, 2.3), time=(0.0, 7.0))


def built(network: Network, geometry=DOMAIN, outputs: int = 3, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network.build(geometry, outputs)
    return network.to(FLOAT)


def points(n: int = 20, geometry=DOMAIN) -> torch.Tensor:
    return geometry.sample("interior", n, seed=1).at
