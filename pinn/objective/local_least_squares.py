"""Least squares of networks that are linear in what is trained, and local, as patches are:

    u(x) = Φ(x) c,   r = r(x, U),  U = (u, ∂u, …)(x)   →   ∂r/∂c = Σₛ ∂r/∂Uₛ Φₛ

Residuals are differentiated by the few numbers U of their own point; Φ follows from the points
alone and is kept. Points that see the same patches are a group or several, with a dense block of J.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.base.context import setting
from pinn.base.costs import free_memory
from pinn.geometry import Points
from pinn.networks.patches import only_patches
from pinn.objective import coupled_jacobian as coupled
from pinn.objective.chunks import Chunk
from pinn.objective.least_squares import Block, LeastSquares
from pinn.objective.losses import counts, side_by_side, squares
from pinn.objective.objective import Objective
from pinn.objective.parameter_blocks import ParameterBlocks
from pinn.objective.sites import Placed, Seen, Site, batches, evaluated, grouped, handed_out, summed
from pinn.solution.representation import OUTPUTS

SHARE = 0.25  # of the free memory that features may be kept in
FEW = 7  # points at which J is held against reverse mode, of each region


class LocalLeastSquares(LeastSquares):
    """The system that a least-squares optimiser solves, where all networks are patches.

    Args:
        objective: the residuals.
        keeps: whether features are kept for J, where they fit.
    """

    def __init__(self, objective: Objective, keeps: bool = True) -> None:
        super().__init__(objective, record=False)
        self.networks = only_patches(dict(objective.solution.networks.items()))
        self.placed, self.keeps = dict[str, Placed](), keeps

    @property
    def is_local(self) -> bool:
        """Whether the coefficients of patches alone are trained, and points are independent."""
        outer = {id(p) for n in self.networks.values() for p in n.output.parameters()}
        outer |= {id(p) for p in self.objective.solution.problem.parameters()}
        independent = not any(plan.is_whole for plan in self.objective.plans.values())
        own = all(id(p) in outer for p in self.parameters())
        return bool(self.networks) and independent and own

    @property
    def theta(self) -> ParameterBlocks:
        """The blocks of what is trained."""
        return ParameterBlocks.of(self.parameters(), self.networks)

    def sizes(self) -> tuple[int, ...]:
        """The lengths of the blocks of θ: one per patch of each network, one per coefficient."""
        return self.theta.sizes

    def groups(self) -> tuple[Seen, ...]:
        """The blocks that each group sees."""
        return tuple(seen for placed in self.placed.values() for seen in self.seen_by(placed))

    def row_counts(self) -> tuple[int, ...]:
        """How many rows each group has."""
        return tuple(n * placed.width for placed in self.placed.values() for n in placed.sizes)

    def seen_by(self, placed: Placed) -> list[Seen]:
        """The blocks that each group of a region sees."""
        theta, seen = self.theta, []
        for g in range(len(placed.sizes)):
            own = {theta.first[site.network] + p for site in placed.sites for p in site.patches[g]}
            seen.append(tuple(sorted(own.union(theta.borders))))
        return seen

    @torch.no_grad()
    def lay_out(self) -> None:
        """Sort the points by the patches that they see."""
        self.placed = {
            region: self.sorted(region, points) for region, points in self.points.items()
        }
        if self.keeps:
            self.keep()
        self.check()

    def sorted(self, region: str, points: Points) -> Placed:
        """The points of a region in groups that see the same patches."""
        sites, seen = list[Site](), list[Tensor]()

        def note(name: str, at: Tensor, plan: Plan) -> Jet:
            network = self.networks[name]
            sites.append(Site(name, at, plan))
            seen.append(network.windows.members(at))
            zero = at.new_zeros(len(at), network.output.weight.shape[1])
            return Jet(zero, dict.fromkeys(plan.channels, zero), lead=1)

        rows = self.rows_by(region, points, note)
        return grouped(points, sites, seen, rows.shape[1])

    def rows_by(
        self, region: str, points: Points, give: Callable[[str, Tensor, Plan], Jet]
    ) -> Tensor:
        """The rows (N, K) of a region with other outputs in the place of the networks'."""
        return side_by_side(self.values_by(region, points, give), self.scales[region])

    def values_by(
        self, region: str, points: Points, give: Callable[[str, Tensor, Plan], Jet]
    ) -> list[Tensor]:
        """The residuals of a region, likewise."""
        module = self.objective.modules[region].in_place(points.at)
        with setting(OUTPUTS, give):
            values: list[Tensor] = module(points)
        return values

    def keep(self) -> None:
        """Evaluate the features once, where they fit into the memory."""
        numbers = 0
        for placed in self.placed.values():
            for site in placed.sites:
                count = self.networks[site.network].features.count * (1 + len(site.plan.channels))
                numbers += sum(
                    n * len(p) * count for n, p in zip(placed.sizes, site.patches, strict=True)
                )
        like = next(iter(self.points.values())).at
        if numbers * like.element_size() <= SHARE * free_memory(like.device):
            for placed in self.placed.values():
                for site in placed.sites:
                    site.features = self.features_at(placed, site, range(len(placed.sizes)))

    def features_at(self, placed: Placed, site: Site, groups: range) -> list[Tensor]:
        """Φ (1 + S, n, k F) of some groups."""
        return evaluated(placed, site, self.networks[site.network], groups)

    def features(self, placed: Placed, site: Site) -> Iterator[Tensor]:
        """Φ (1 + S, n, k F) of one group after the other."""
        yield from site.features
        if not site.features:
            for groups in batches(placed, site, self.networks[site.network]):
                yield from self.features_at(placed, site, groups)

    def outputs(self, placed: Placed) -> list[Tensor]:
        """U (1 + S, N, C) of every site."""
        return [
            summed(placed, site, self.networks[site.network], self.features(placed, site))
            for site in placed.sites
        ]

    def rows_of(self, region: str, placed: Placed, outputs: list[Tensor]) -> Tensor:
        """The rows (N, K) as a function of U."""
        return self.rows_by(region, placed.points, handed_out(outputs))

    @torch.no_grad()
    def residuals(self, check: bool = False) -> Tensor:
        """r (M,)."""
        parts = [
            self.rows_of(region, placed, self.outputs(placed)).reshape(-1)
            for region, placed in self.placed.items()
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def losses(self) -> Tensor:
        """Every L_k (K,) without its weight."""
        plans, order = self.objective.plans, self.objective.order
        numbers, sums = counts(self.points, plans), dict.fromkeys(order, torch.tensor(0.0))
        for region, placed in self.placed.items():
            values = self.values_by(region, placed.points, handed_out(self.outputs(placed)))
            for name, square in zip(plans[region].reads, squares(values), strict=True):
                sums[name] = sums[name].to(square) + square / numbers[name]
        return torch.stack([sums[name] for name in order])

    @torch.no_grad()
    def squares(self) -> dict[str, Tensor]:
        """|r|² (N,) at the points of every region, in the order of the groups."""
        return {
            region: self.rows_of(region, placed, self.outputs(placed)).square().sum(1)
            for region, placed in self.placed.items()
        }

    @torch.no_grad()
    def unknowns(self, region: str, placed: Placed) -> dict[str, Tensor]:
        """The unknowns (N,) by component at the points of a region, before any gauge."""
        solution, plans = self.objective.solution, self.objective.plans[region].networks
        with setting(OUTPUTS, handed_out(self.outputs(placed))):
            fields, _ = solution.fields(placed.points.at, plans)
        return solution.problem.by_component({n: f.value for n, f in fields.items()})

    def grouped(self) -> Iterator[tuple[Seen, Tensor, Tensor]]:
        """Of each group the blocks that it sees, J (m, their lengths) and r (m,)."""
        for region, placed in self.placed.items():
            slopes, border, rows = self.slopes(region, placed)
            features = zip(*(self.features(placed, site) for site in placed.sites), strict=True)
            for g, (seen, phi) in enumerate(zip(self.seen_by(placed), features, strict=True)):
                own = placed.slices[g]
                part = None if border is None else border[own]
                J = self.block(placed, g, seen, phi, [s[:, :, own] for s in slopes], part)
                yield seen, J, rows[own].reshape(-1)

    def slopes(self, region: str, placed: Placed) -> tuple[list[Tensor], Tensor | None, Tensor]:
        """∂r/∂U (K, 1 + S, N, C) of every site, ∂r/∂k (N, K, P) of coefficients, and r (N, K)."""
        outputs = [u.requires_grad_() for u in self.outputs(placed)]
        others = self.theta.others
        with torch.enable_grad():
            rows = self.rows_of(region, placed, outputs)
            columns = rows.sum(0).unbind()  # points are independent of each other
        every = [
            torch.autograd.grad(c, outputs, retain_graph=True, materialize_grads=True)
            for c in columns
        ]
        slopes = [torch.stack(each) for each in zip(*every, strict=True)]
        return slopes, coupled.by_shared(rows, others) if others else None, rows.detach()

    def block(
        self,
        placed: Placed,
        g: int,
        seen: Seen,
        features: Sequence[Tensor],
        slopes: list[Tensor],
        border: Tensor | None,
    ) -> Tensor:
        """J (n K, Σ sizes) of a group, from the features at each site."""
        sizes, first = self.theta.sizes, self.theta.first
        starts, width = {}, 0
        for block in seen:
            starts[block] = width
            width += sizes[block]
        k, _, n, _ = slopes[0].shape
        J = slopes[0].new_zeros(n, k, width)
        for site, phi, slope in zip(placed.sites, features, slopes, strict=True):
            c, channels = slope.shape[-1], phi.movedim(0, 1)
            product = torch.bmm(slope.permute(2, 0, 3, 1).reshape(n, k * c, -1), channels)
            parts = product.reshape(n, k, c, len(site.patches[g]), -1).unbind(3)
            for patch, part in zip(site.patches[g], parts, strict=True):
                start = starts[first[site.network] + patch]
                J[:, :, start : start + part[0, 0].numel()] += part.flatten(2)
        if border is not None:
            columns = border.split([sizes[block] for block in self.theta.borders], -1)
            for block, own in zip(self.theta.borders, columns, strict=True):
                J[:, :, starts[block] : starts[block] + sizes[block]] = own
        return J.flatten(0, 1)

    def jacobians(self) -> Iterator[Block]:
        """Chunks with all columns of J and r, group by group."""
        regions = [(r, p, g) for r, p in self.placed.items() for g in range(len(p.sizes))]
        for (region, placed, g), (seen, J, r) in zip(regions, self.grouped(), strict=True):
            yield Chunk(region, placed.points.select(placed.slices[g])), self.spread(seen, J), r

    def spread(self, seen: Seen, J: Tensor) -> Tensor:
        """J with the columns of all blocks."""
        starts = torch.tensor([0, *self.sizes()]).cumsum(0).tolist()
        columns = torch.cat([torch.arange(starts[b], starts[b + 1]) for b in seen])
        whole = J.new_zeros(len(J), starts[-1])
        whole[:, columns.to(J.device)] = J
        return whole

    def recheck(self) -> None:
        """Hold r and J against reverse mode through the networks, now."""
        self.check()

    def check(self) -> None:
        """Hold r and J against reverse mode through the networks, at a few points of each region.

        Raises:
            RuntimeError: they differ.
        """
        for region, placed in self.placed.items():
            g = len(placed.sizes) - 1
            own = placed.slices[g]
            some = slice(own.start, min(own.start + FEW, own.stop))
            few = Placed(placed.points.select(some), [some.stop - some.start], [], placed.width)
            for site in placed.sites:
                few.sites.append(Site(site.network, site.at[some], site.plan, [site.patches[g]]))
            slopes, border, rows = self.slopes(region, few)
            seen = self.seen_by(few)[0]
            phi = [next(self.features(few, site)) for site in few.sites]
            J = self.spread(seen, self.block(few, 0, seen, phi, slopes, border))
            expected = self.graph_of(Chunk(region, few.points))
            size = rows.norm() + J.abs().sum(1).max()  # of which rounding is a part
            right = coupled.near(rows.reshape(-1), expected.detach(), size)
            if not right or not coupled.agree([J], expected, self.parameters()):
                raise RuntimeError(
                    f"the Jacobian of {region!r} is not that of reverse mode: a residual reads "
                    "something else than the unknowns at its point"
                )


def system_of(objective: Objective, record: bool) -> LeastSquares:
    """The residuals as a system: that of patches where the networks are such.

    Args:
        objective: the residuals.
        record: whether other evaluations are recorded as graphs.
    """
    local = LocalLeastSquares(objective)
    return local if local.is_local else LeastSquares(objective, record)
