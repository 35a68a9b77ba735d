"""zuko: `FreeFormJacobianTransform`, exact, with the solver and the gradient that it comes with."""

from collections.abc import Callable

import torch
import zuko
from likelihood import TOLERANCE, normal, serve
from torch import Tensor, nn
from zuko.transforms import FreeFormJacobianTransform


def likelihood(velocity: nn.Module, solver: str) -> Callable[[Tensor], Tensor]:
    """The package's own."""
    if solver != "dopri5":
        raise NotImplementedError("its solver chooses its steps")
    flow = FreeFormJacobianTransform(
        velocity, phi=velocity.parameters(), atol=TOLERANCE, rtol=TOLERANCE
    )

    def log_prob(x: Tensor) -> Tensor:
        at, change = flow.call_and_ladj(x)
        return normal(at) + change

    return log_prob


if __name__ == "__main__":
    serve({"torch": torch.__version__, "zuko": zuko.__version__}, likelihood)
