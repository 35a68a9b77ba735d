"""The residuals of each patch as though it were the whole domain:  uₖ = Σⱼ cₖⱼ φⱼ,  no window.

What the equations alone say about the coefficients of a patch, see `optim.condensation`.
"""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.geometry import Points
from pinn.geometry.pieces import FLAT, Box, own_weights, pieces_of
from pinn.networks.patches import Patches
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.losses import scales_of
from pinn.objective.sites import Placed, Seen, Site

REGION = "interior"
ROWS = 1.5  # residuals per coefficient of a patch
SEED = 15485863  # of the points, which are not those of training


class Alone(LocalLeastSquares):
    """Least squares of patches that do not know of each other.

    Args:
        system: the patches, with the points and weights of training.
    """

    def __init__(self, system: LocalLeastSquares) -> None:
        super().__init__(system.objective)
        self.joined = system
        self.networks = {name: without_windows(net) for name, net in system.networks.items()}
        self.first = next(iter(self.networks.values()))

    @property
    def is_apart(self) -> bool:
        """Whether a patch takes fewer unknowns by its equations in the interior.

        In one and two dimensions it has few from the start. Where coefficients of the problem
        are trained, the equations of a patch are not settled by its own unknowns.
        """
        cuts = [network.layout.cuts for network in self.networks.values()]
        many = len(self.first.layout.lower) > FLAT and len(self.first.layout) > 1
        known = REGION in self.joined.placed and not self.theta.others
        return many and known and all(own == cuts[0] for own in cuts)

    @torch.no_grad()
    def by_patch(self) -> Iterator[tuple[Seen, Tensor, Tensor]]:
        """Of each patch the blocks that are its own, J (m, their lengths) and r (m,)."""
        every = {patch: self.points_of(patch) for patch in range(len(self.first.layout))}
        parts = {patch: part for patch, part in every.items() if part is not None}
        placed = self.spread_out(parts)
        if placed is None:
            return
        slopes, _, rows = self.slopes(REGION, placed)
        features = zip(*(self.features(placed, site) for site in placed.sites), strict=True)
        for g, (patch, phi) in enumerate(zip(parts, features, strict=True)):
            own, seen = placed.slices[g], self.blocks_of(patch)
            J = self.block(placed, g, seen, phi, [s[:, :, own] for s in slopes], None)
            yield seen, J, rows[own].reshape(-1)

    def blocks_of(self, patch: int) -> Seen:
        """The blocks of θ that are coefficients of a patch."""
        return tuple(sorted(first + patch for first in self.theta.first.values()))

    def points_of(self, patch: int) -> Points | None:
        """Points on all that the window of a patch reaches; None where that is outside."""
        lower, upper = (side[patch].tolist() for side in self.first.layout.boxes().support)
        coefficients = sum(net.output.weight[0].numel() for net in self.networks.values())
        count = math.ceil(ROWS * coefficients / self.joined.placed[REGION].width)
        geometry = self.objective.solution.problem.geometry
        made = [
            points
            for part in geometry.regions_of(REGION)
            for points, _ in pieces_of(
                geometry.shape, part, [Box(lower, upper)], 1, count, SEED + patch
            )
        ]
        return joined(made).to(self.first.output.weight) if made else None

    def spread_out(self, parts: Mapping[int, Points]) -> Placed | None:
        """The points of all patches; None where a residual looks at other places than its own."""
        points, sites = joined(list(parts.values())), list[Site]()
        self.weights = self.joined.weights
        self.scales = scales_of(
            {REGION: self.objective.plans[REGION]}, {REGION: points}, self.weights, power=0.5
        )

        def note(name: str, at: Tensor, plan: Plan) -> Jet:
            sites.append(Site(name, at, plan, [(patch,) for patch in parts]))
            zero = at.new_zeros(len(at), self.networks[name].output.weight.shape[1])
            return Jet(zero, dict.fromkeys(plan.channels, zero), lead=1)

        width = self.rows_by(REGION, points, note).shape[1]
        if any(not torch.equal(site.at, points.at) for site in sites):
            return None
        return Placed(points, [len(part) for part in parts.values()], sites, width)


def joined(parts: Sequence[Points]) -> Points:
    """Some points together, with the weights of a quadrature."""
    weights = torch.cat([own_weights(part) for part in parts])
    return Points(torch.cat([part.at for part in parts]), weights=weights / weights.mean())


def without_windows(network: Patches) -> Patches:
    """The same polynomials, on each patch by itself."""
    own, windows = copy.copy(network), copy.copy(network.windows)
    windows._buffers = dict(windows._buffers)
    for side in ("lower", "upper"):
        for name, value in ((f"steep_{side}", 0.0), (f"open_{side}", 0.5)):  # step(½) = 1
            setattr(windows, name, torch.full_like(getattr(windows, name), value))
    own._modules = {**own._modules, "windows": windows}
    return own
