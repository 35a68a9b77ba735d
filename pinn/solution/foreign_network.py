"""Networks from outside the package: their mistakes are told before an evaluation fails."""

from collections.abc import Mapping

import torch
from torch import nn

from pinn.choosing.sample_step import untouched
from pinn.geometry import Geometry
from pinn.geometry.grids import middle
from pinn.networks import Network
from pinn.physics.problem import Problem
from pinn.physics.return_values import kind


def check_network(network: object, geometry: Geometry, widths: Mapping[str, int]) -> None:
    """Try an ordinary module out on a few points.

    Args:
        network: what is given for one.
        geometry: the domain that its points come from.
        widths: the unknowns it stands for, and how many components each has.

    Raises:
        ValueError: it is no network, or does not take points (N, D) to values (N, C).
    """
    name = network.__name__ if isinstance(network, type) else type(network).__name__
    if isinstance(network, type):
        raise ValueError(f"network is the class {name}: give an object of it, {name}(…)")
    if not isinstance(network, nn.Module) or isinstance(network, Problem):
        raise ValueError(f"network is a {name}: expected a torch.nn.Module")
    if isinstance(network, Network):
        return  # which is made for the problem
    at = middle(geometry).expand(3, -1)
    at = at.to(next((p for p in network.parameters() if p.is_floating_point()), at))
    names = ", ".join(geometry.coordinates.names)
    try:
        with torch.no_grad(), untouched(network, at.device):
            values = network(at)
    except Exception as error:
        reason = " ".join(str(error).split()).partition(" Exception raised")[0]
        raise ValueError(
            f"network {name} cannot take points with {at.shape[1]} coordinates ({names}): {reason}"
        ) from error
    if not isinstance(values, torch.Tensor) or values.shape[:-1] != at.shape[:-1]:
        line = f"network {name} gives {kind(values)} at 3 points"
        raise ValueError(f"{line}: expected one row for each, (3, C)")
    check_width(name, values.shape[-1], widths)


def check_width(name: str, outputs: int, widths: Mapping[str, int]) -> None:
    """Refuse a network with another number of outputs than its unknowns have components."""
    needed = sum(widths.values())
    if outputs != needed:
        raise ValueError(
            f"network {name} has {outputs} outputs, the unknowns {list(widths)} need {needed}"
        )
