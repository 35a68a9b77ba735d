"""The correction of a solution, of any networks, by local polynomials:

    U = U_networks + Φ c,   min_c |r(U)|²

What the networks give stays as it is; the coefficients c of patches beside them are found by least
squares. Where the correction has converged, its size is that of the solution's error.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.derivatives.evaluate import evaluate
from pinn.networks.patches import Patches
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.objective import Objective
from pinn.objective.sites import Placed, Site

TOGETHER = 4096  # points at which the networks are evaluated at a time


class Correction(LocalLeastSquares):
    """Least squares of c, with the outputs of the networks as they are.

    Args:
        objective: the residuals of the solution, in float64.
        patches: one per network.
    """

    def __init__(self, objective: Objective, patches: Mapping[str, Patches]) -> None:
        super().__init__(objective)
        self.networks = dict(patches)
        self.known: dict[int, Tensor] = {}  # the outputs of the networks by site

    def parameters(self) -> list[nn.Parameter]:
        """c."""
        return [p for net in self.networks.values() for p in net.output.parameters()]

    def lay_out(self) -> None:
        """Sort the points, and evaluate the networks there."""
        self.known.clear()
        super().lay_out()

    def check(self) -> None:
        """Nothing is held against reverse mode: the networks do not depend on c."""

    def outputs(self, placed: Placed) -> list[Tensor]:
        """U (1 + S, N, C) of every site."""
        added = super().outputs(placed)
        return [u + self.of_networks(site) for u, site in zip(added, placed.sites, strict=True)]

    def of_networks(self, site: Site) -> Tensor:
        """What the networks give at a site, evaluated once."""
        if id(site) not in self.known:
            parts = [self.jet(site.network, at, site.plan) for at in site.at.split(TOGETHER)]
            rows = [torch.stack([y.value, *map(y.stream, site.plan.channels)]) for y in parts]
            self.known[id(site)] = torch.cat(rows, 1).detach()
        return self.known[id(site)]

    def jet(self, name: str, at: Tensor, plan: Plan) -> Jet:
        """A network and its derivatives, as the solution has them."""
        solution = self.objective.solution
        return evaluate(solution.networks[name], at, plan, solution.strategy[name])

    def corrected(self) -> Callable[[str, Tensor, Plan], Jet]:
        """What stands for the networks in the corrected solution, at any points."""

        def give(name: str, at: Tensor, plan: Plan) -> Jet:
            own = self.jet(name, at, plan)
            added = evaluate(self.networks[name], at, plan, "taylor")
            streams = {c: own.stream(c) + added.stream(c) for c in plan.channels}
            return Jet(own.value + added.value, streams, lead=1)

        return give
