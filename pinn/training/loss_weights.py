"""Weights of the losses that follow the training:

    L = Σ_k λ_k L_k,   λ_k = g_k β_k,   β_k ← m β_k + (1 − m) Σ_j s_j / s_k

with g_k the weights given, m = 0.8, and s_k what the loss L_k is worth to the optimiser:

    fixed           β_k = 1
    gradient_norm   s_k = ‖∂L_k/∂θ‖
    ntk             s_k = tr K_kk,   K_kk = J_k J_kᵀ,   J_k = √(w / N_k) ∂r_k(xₙ)/∂θ

The first estimate is taken whole: ‖∂(β_k L_k)/∂θ‖, or tr β_k K_kk, is then the same for all k.

A gradient also vanishes where its residual does. Where a trivial solution fulfils the equations, as
a constant does, their weight grows the better they are fulfilled, and the conditions are never met;
the kernel does not know how large a residual is, and has no such trap.

Gradient norms: S. Wang, Y. Teng, P. Perdikaris (2021), doi:10.1137/20M1318043, who average over ten
updates as far apart as ten steps, and take the largest gradient of the equation in the place of the
sum. Kernel: S. Wang, X. Yu, P. Perdikaris (2022), doi:10.1016/j.jcp.2021.110768, without an average
and with losses that are sums over points; they are means here, and so is the trace.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from pinn.base.messages import check_name
from pinn.base.processes import processes, total
from pinn.geometry import Points
from pinn.objective.least_squares import LeastSquares
from pinn.objective.objective import Objective

Method = Literal["fixed", "gradient_norm", "ntk"]
PERIOD = 25  # steps between updates; one costs a step per residual, or a Jacobian
KEPT = 0.8  # m: with the period, what is older than a hundred steps is forgotten
MOST = 128  # points of a region at which a trace is taken
SMALLEST = 1e-6  # of the largest s_k: a loss without a gradient would weigh infinitely


class Balance:
    """λ_k of every residual, and how they change.

    Args:
        method: `fixed`, `gradient_norm` or `ntk`.
        given: g_k by residual name.

    Attributes:
        weights: λ_k in force by residual name; a new mapping where they change.

    Raises:
        ValueError: the method is unknown, or there is nothing to balance.
    """

    def __init__(self, method: Method, given: Mapping[str, float]) -> None:
        check_name(method, get_args(Method), f"model.weighting {method!r} is unknown")
        weighty = [name for name, weight in given.items() if weight > 0]
        if method != "fixed" and len(weighty) == 1:
            raise ValueError(
                f"model.weighting is {method}, but {weighty[0]!r} is the only residual with a "
                "weight: remove model.weighting"
            )
        self.method, self.given = method, dict(given)
        self.weights = dict(given)
        self.factors: dict[str, float] = {}
        self.updated = -1
        self.system: LeastSquares | None = None

    def follow(
        self,
        objective: Objective,
        points: Mapping[str, Points],
        now: int,
        begun: int,
        one_loss: bool,
    ) -> dict[str, float]:
        """The weights, brought up to date when a phase begins, and then every so many steps.

        Args:
            objective: evaluates the losses.
            points: of the step that is about to be taken, this process's own.
            now: its number.
            begun: at which step the phase began.
            one_loss: whether the phase needs one loss function, and so the weights it began with.
        """
        due = now == begun or not (one_loss or (now - begun) % PERIOD)
        if self.method == "fixed" or not due or now == self.updated:
            return self.weights
        self.updated = now  # a line search, or accumulated gradients, come here several times
        measure = self.traces if self.method == "ntk" else gradient_norms
        sizes = measure(objective, points)
        sizes = sizes.clamp(min=max(SMALLEST * float(sizes.max()), torch.finfo(sizes.dtype).tiny))
        latest = dict(zip(objective.order, (sizes.sum() / sizes).tolist(), strict=True))
        before = self.factors or latest
        self.multiply({n: KEPT * before[n] + (1 - KEPT) * new for n, new in latest.items()})
        return self.weights

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"method": self.method, "factors": dict(self.factors)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, unless it is of another method or of other residuals."""
        factors = state.get("factors", {})
        if state.get("method") == self.method and factors.keys() == self.given.keys():
            self.multiply(factors)

    def multiply(self, factors: Mapping[str, float]) -> None:
        """Take these β_k by residual name."""
        self.factors = dict(factors)
        self.weights = {name: self.given[name] * factor for name, factor in factors.items()}

    def traces(self, objective: Objective, points: Mapping[str, Points]) -> Tensor:
        """tr K_kk of every residual in order, from blocks of the Jacobian."""
        if self.system is None:
            self.system = LeastSquares(objective, record=False)
        # What points share, all of them make.
        whole = any(plan.is_whole for plan in objective.plans.values())
        self.system.place(points if whole else some(points), dict.fromkeys(objective.order, 1.0))
        return total(kernel_traces(self.system))


def gradient_norms(objective: Objective, points: Mapping[str, Points]) -> Tensor:
    """‖∂L_k/∂θ‖ of every residual in order, L_k taken over the points of all processes."""
    norms = []
    for name in objective.order:
        _, slopes = objective.gradient(points, {n: float(n == name) for n in objective.order})
        slope = total(torch.cat([s.detach().double().reshape(-1) for s in slopes]))
        norms.append(slope.norm() / processes())
    return torch.stack(norms)


def some(points: Mapping[str, Points]) -> dict[str, Points]:
    """The same fraction of the points of every region, at random: a trace is a mean."""
    fraction = min(1.0, MOST / max(len(p) for p in points.values()))
    picked = {}
    for region, given in points.items():
        order = torch.randperm(len(given), generator=torch.Generator().manual_seed(0))
        which = order[: math.ceil(fraction * len(order))].sort().values.to(given.at.device)
        picked[region] = given.select(which)
    return picked


def kernel_traces(system: LeastSquares) -> Tensor:
    """Σ |∂r_k/∂θ|² over the rows of a system, of every residual in order."""
    like, order = system.parameters()[0], system.objective.order
    traces = torch.zeros(len(order), dtype=torch.float64, device=like.device)
    names_of = {region: system.owners(region) for region in system.points}
    for chunk, jacobian, _ in system.jacobians():
        names = names_of[chunk.region]
        squares = torch.linalg.vector_norm(jacobian, dim=1).double().square()
        by_row = squares.reshape(-1, len(names)).sum(0)
        index = torch.tensor([order.index(name) for name in names], device=like.device)
        traces.index_add_(0, index, by_row)
    return traces
