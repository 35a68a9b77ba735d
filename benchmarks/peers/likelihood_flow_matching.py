"""flow_matching: `ODESolver.compute_likelihood`, exact. Its result has no gradient.

Its flow runs from noise at t = 0 to data at t = 1: the velocity is turned round.
"""

from collections.abc import Callable

import flow_matching
import torch
from flow_matching.solver import ODESolver
from likelihood import STEPS, TOLERANCE, normal, serve
from torch import Tensor, nn


def likelihood(velocity: nn.Module, solver: str) -> Callable[[Tensor], Tensor]:
    """The package's own."""

    def log_prob(x: Tensor) -> Tensor:
        _, values = ODESolver(lambda x, t: -velocity(1 - t, x)).compute_likelihood(
            x_1=x,
            log_p0=normal,
            step_size=1 / STEPS if solver == "rk4" else None,
            method=solver,
            rtol=TOLERANCE,
            atol=TOLERANCE,
            time_grid=torch.tensor([1.0, 0.0], dtype=x.dtype),
            exact_divergence=True,
        )
        return values

    return log_prob


if __name__ == "__main__":
    version = {"torch": torch.__version__, "flow_matching": flow_matching.__version__}
    serve(version, likelihood, trains="")
