"""What least squares is told of a problem:  r(θ) and J = ∂r/∂θ, for  min ½|r(θ)|²."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor


class System(Protocol):
    """The residuals of this process at the current values of the P parameters.

    P counts the parameters of the optimiser, flattened and concatenated in its order. With
    several processes each has rows of its own, and the loss is that of all of them.
    """

    def residuals(self) -> Tensor:
        """r (M,), in float64 and without a graph."""

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """J (m, P) and r (m,) of some rows at a time; together the M rows, in their order in r.

        What is handed out may be overwritten once the next block is asked for.
        """
