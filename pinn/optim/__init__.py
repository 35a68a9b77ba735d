"""How the weights are found: phases of optimisation."""

from pinn.optim.phase import Phase

__all__ = ["Phase"]
