"""Layers one after the other, as a configuration lists them."""

from torch import nn

from pinn.base.recipe import Restorable


class Stack(Restorable, nn.Sequential):
    """f = fₙ ∘ … ∘ f₂ ∘ f₁: torch's Sequential, made from a list.

    Args:
        layers: modules, the one that takes the points first.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        if not layers:
            raise ValueError("network is an empty list, a Stack without layers: give some")
        super().__init__(*layers)
