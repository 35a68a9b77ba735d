"""Least squares whose networks are linear in what is trained, and local:

    u(x) = Φ(x) c,   r = r(x, U),  U = {u, ∂u, …}(x)   →   ∂r/∂c = Σₛ ∂r/∂Uₛ Φₛ

The residuals are differentiated by the few numbers U of their own point, and Φ, which the points
alone decide, is kept. Points that see the same patches are one group, with one dense block of J.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.base.context import setting
from pinn.base.processes import processes
from pinn.derivatives.evaluate import evaluate
from pinn.geometry import Points
from pinn.networks.patches import Patches
from pinn.objective.losses import scales_of, side_by_side
from pinn.objective.objective import Objective
from pinn.solution.representation import OUTPUTS


@dataclass
class Site:
    """One evaluation of a network at the points of a region.

    Args:
        network: its name.
        at: where (N, D).
        plan: what it produces.
        seen: (N, K) patches.
        counts: (N, K) which of them count.
        basis: of each group Φ (S, n, k·F).
        patches: of each group, those that it sees.
    """

    network: str
    at: Tensor
    plan: Plan
    seen: Tensor
    counts: Tensor
    basis: list[Tensor]
    patches: list[tuple[int, ...]]


@dataclass
class Placed:
    """The points of a region, in groups.

    Args:
        points: in the order of the groups.
        sizes: how many points each group has.
        sites: the evaluations of networks.
    """

    points: Points
    sizes: list[int]
    sites: list[Site]


class LocalSystem:
    """The residuals of networks of patches, and their Jacobian, block by block."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.solution = objective.solution
        self.points: dict[str, Points] = {}
        self.weights: dict[str, float] = {}
        self.placed: dict[str, Placed] = {}

    # -- layout of θ ------------------------------------------------------------------------
    def starts(self) -> tuple[dict[str, int], int, list[nn.Parameter]]:
        """The first block of each network, the number of patch blocks, and the other parameters."""
        first, count, others, owner = {}, 0, [], {}
        for name, network in self.solution.networks.items():
            owner[id(network.output.weight)] = name
        for parameter in self.objective.parameters():
            name = owner.get(id(parameter))
            if name is None:
                others.append(parameter)
            else:
                first[name] = count
                count += len(parameter)
        return first, count, others

    def sizes(self) -> tuple[int, ...]:
        """The lengths of the blocks of θ."""
        sizes: list[int] = []
        owner = {id(n.output.weight) for n in self.solution.networks.values()}
        for p in self.objective.parameters():
            sizes += [p[0].numel()] * len(p) if id(p) in owner else [p.numel()]
        return tuple(sizes)

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Which blocks each group sees."""
        return tuple(seen for placed in self.placed.values() for seen in self.seen_by(placed))

    def seen_by(self, placed: Placed) -> Iterator[tuple[int, ...]]:
        first, count, others = self.starts()
        last = (len(self.sizes()) - 1,) if others else ()
        for g in range(len(placed.sizes)):
            blocks = {first[s.network] + p for s in placed.sites for p in s.patches[g]}
            yield (*sorted(blocks), *last)

    # -- placing ----------------------------------------------------------------------------
    @torch.no_grad()
    def place(self, points: Mapping[str, Points], weights: Mapping[str, float]) -> None:
        plans = self.objective.plans
        moved = any(points[r] is not self.points.get(r) for r in plans)
        if moved or weights != self.weights:
            self.weights = dict(weights)
            self.scales = scales_of(plans, points, weights, 1 / processes(), 0.5)
        if moved:
            self.points = dict(points)
            self.placed = {region: self.grouped(region, points[region]) for region in plans}

    def grouped(self, region: str, points: Points) -> Placed:
        calls: list[Site] = []

        def note(name: str, at: Tensor, plan: Plan) -> Jet:
            network = self.solution.networks[name]
            calls.append(Site(name, at, plan, *network.seen(at), [], []))
            shape = (len(at), network.output.weight.shape[1])
            zero = at.new_zeros(shape)
            return Jet(zero, dict.fromkeys(plan.channels, zero), lead=1)

        self.run(region, points, note)
        key = torch.cat([torch.where(s.counts, s.seen, -1) for s in calls], -1)
        sets, inverse = torch.unique(key, dim=0, return_inverse=True)
        order = torch.argsort(inverse, stable=True)
        sizes = torch.bincount(inverse, minlength=len(sets)).tolist()
        for site in calls:
            site.at, site.seen, site.counts = site.at[order], site.seen[order], site.counts[order]
            start = 0
            network = self.solution.networks[site.network]
            for size in sizes:
                own = site.seen[start][site.counts[start]]
                site.patches.append(tuple(own.tolist()))
                index = own.expand(size, -1)
                site.basis.append(basis(network, site.at[start : start + size], index, site.plan))
                start += size
        return Placed(points.select(order), sizes, calls)

    def run(self, region: str, points: Points, given) -> Tensor:
        module = self.objective.modules[region].in_place(points.at)
        with setting(OUTPUTS, given):
            values = module(points)
        scales = getattr(self, "scales", {}).get(region)
        return side_by_side(values, points.at.new_ones(len(values)) if scales is None else scales)

    # -- values -----------------------------------------------------------------------------
    def outputs(self, placed: Placed) -> list[Tensor]:
        """U (S, N, C) of each site."""
        result = []
        for site in placed.sites:
            weight = self.solution.networks[site.network].output.weight.detach()
            parts = [
                phi @ weight[list(own)].movedim(0, 1).flatten(1).T
                for phi, own in zip(site.basis, site.patches, strict=True)
            ]
            result.append(torch.cat(parts, 1))
        return result

    def rows(self, region: str, placed: Placed, U: list[Tensor]) -> Tensor:
        number = iter(range(len(U)))

        def give(name: str, at: Tensor, plan: Plan) -> Jet:
            u = U[next(number)]
            return Jet(u[0], {c: u[k + 1] for k, c in enumerate(plan.channels)}, lead=1)

        return self.run(region, placed.points, give)

    @torch.no_grad()
    def residuals(self) -> Tensor:
        """r (M,)."""
        parts = [self.rows(r, p, self.outputs(p)).reshape(-1) for r, p in self.placed.items()]
        return torch.cat(parts)

    def grouped_rows(self) -> Iterator[tuple[tuple[int, ...], Tensor, Tensor]]:
        """Blocks seen, J (m, Σ sizes) and r (m,) of each group."""
        first, count, others = self.starts()
        for region, placed in self.placed.items():
            seen = list(self.seen_by(placed))
            U = [u.requires_grad_() for u in self.outputs(placed)]
            with torch.enable_grad():
                r = self.rows(region, placed, U)
                columns = r.sum(0).unbind()
            slopes = [[] for _ in U]
            for k in range(r.shape[1]):
                got = torch.autograd.grad(
                    columns[k], U, retain_graph=True, materialize_grads=True, allow_unused=True
                )
                for list_, g in zip(slopes, got, strict=True):
                    list_.append(g)
            G = [torch.stack(s) for s in slopes]  # (K, S, N, C)
            border = self.slopes_of(r, others) if others else None
            r = r.detach()
            start = 0
            for g, size in enumerate(placed.sizes):
                part = slice(start, start + size)
                start += size
                yield seen[g], self.block(placed, g, part, G, first, seen[g], border), r[part].reshape(-1)

    def block(self, placed, g, part, G, first, seen, border) -> Tensor:
        sizes = self.sizes()
        place, at = {}, 0
        for b in seen:
            place[b] = at
            at += sizes[b]
        n, K = part.stop - part.start, G[0].shape[0]
        J = G[0].new_zeros(n, K, at)
        for site, slope in zip(placed.sites, G, strict=True):
            own = slope[:, :, part]  # (K, S, n, C)
            C = own.shape[-1]
            A = own.permute(2, 0, 3, 1).reshape(n, K * C, -1)
            B = site.basis[g].movedim(0, 1)  # (n, S, kF)
            out = torch.bmm(A, B).reshape(n, K, C, len(site.patches[g]), -1)
            F = out.shape[-1]
            for j, p in enumerate(site.patches[g]):
                s = place[first[site.network] + p]
                J[:, :, s : s + C * F] += out[:, :, :, j].reshape(n, K, C * F)
        if border is not None:
            J[:, :, at - border.shape[-1] :] = border[part]
        return J.reshape(n * K, at)

    def slopes_of(self, r: Tensor, others) -> Tensor:
        """∂r/∂k (N, K, P) of the problem's coefficients, by two reverse passes."""
        v = torch.zeros_like(r, requires_grad=True)
        with torch.enable_grad():
            grads = torch.autograd.grad(r, others, v, create_graph=True, materialize_grads=True)
            flat = torch.cat([g.reshape(-1) for g in grads])
            columns = [torch.autograd.grad(f, v, retain_graph=True)[0] for f in flat]
        return torch.stack(columns, -1).detach()

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """J (m, P) and r (m,), for few parameters."""
        sizes = self.sizes()
        starts = [sum(sizes[:k]) for k in range(len(sizes))]
        total = sum(sizes)
        for seen, J, r in self.grouped_rows():
            columns = torch.cat([torch.arange(starts[b], starts[b] + sizes[b]) for b in seen])
            whole = J.new_zeros(len(J), total)
            whole[:, columns] = J
            yield whole, r


def basis(network: Patches, at: Tensor, index: Tensor, plan: Plan) -> Tensor:
    """Φ (1 + S, n, k·F): the features of some patches with their derivatives."""
    y = evaluate(lambda x: network.features(x, index).flatten(-2), at, plan, "taylor")
    return torch.stack([y.value, *(y.stream(c) for c in plan.channels)])
