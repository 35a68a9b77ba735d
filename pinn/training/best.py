"""The networks of the round with the smallest held-out residual."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pinn.networks.patches import Patches
from pinn.networks.transfer import kept, take


@dataclass
class Best:
    """Keeps a copy of networks; a run that ends at a worse round goes back to it.

    Args:
        loss: the smallest one.
        networks: patches and coefficients of each network.
    """

    loss: float = math.inf
    networks: dict[str, Any] = field(default_factory=dict)

    def note(self, loss: float, networks: Mapping[str, Patches]) -> None:
        """Copy the networks if their held-out loss is smaller than all before."""
        if loss < self.loss:
            self.loss = loss
            self.networks = {name: kept(network) for name, network in networks.items()}

    def restore(self, networks: Mapping[str, Patches]) -> None:
        """Give networks the patches and coefficients of the best round."""
        for name, own in self.networks.items():
            take(networks[name], own)
