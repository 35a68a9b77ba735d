"""The networks of the round with the smallest held-out residual."""

import copy
import math
from collections.abc import Mapping

import torch

from pinn.networks.patches import Patches


class Best:
    """Keeps a copy of networks; a run that ends at a worse round goes back to it."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.networks: dict[str, Patches] = {}

    def note(self, loss: float, networks: Mapping[str, Patches]) -> None:
        """Copy the networks if their held-out loss is smaller than all before."""
        if loss < self.loss:
            self.loss = loss
            self.networks = {name: copy.deepcopy(net) for name, net in networks.items()}

    @torch.no_grad()
    def restore(self, networks: Mapping[str, Patches]) -> None:
        """Give networks the patches and coefficients of the best round."""
        for name, old in self.networks.items():
            network, like = networks[name], networks[name].output.weight.detach()
            network.features = copy.deepcopy(old.features)
            network.lay(old.layout, like.shape[1])
            network.to(like)
            network.output.weight.copy_(old.output.weight)
            network.remember()
