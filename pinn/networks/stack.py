"""Layers one after the other, as a configuration lists them."""

from torch import nn

from pinn.spec import Restorable


class Stack(Restorable, nn.Sequential):
    """f = fₙ ∘ … ∘ f₂ ∘ f₁: torch's Sequential, of a list.

    Args:
        layers: modules, the one that takes the points first.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__(*layers)
