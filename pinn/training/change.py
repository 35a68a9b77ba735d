"""How much one solution differs from another, component by component."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pinn.networks.local_features import chebyshev, exponents
from pinn.solution.solution import Solution

ZERO = 1e-6  # of the largest component: below, one counts as zero and is measured by that
DEGREE = 24  # of the polynomials that stand for a constant that depends on time or a parameter


def changes(
    now: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    gauged: Mapping[str, Tensor],
    weights: Tensor | None,
) -> dict[str, float]:
    """|u − u_before| / |u| in L2; of one that is zero, in parts of the largest component.

    Args:
        now: component → values (N,).
        before: likewise.
        gauged: component with a constant that is open → the coordinates (N, K) that it depends on.
        weights: of the points (N,), with mean 1.
    """
    sizes, steps = dict[str, Tensor](), dict[str, Tensor]()
    for name, value in now.items():
        step, size = value - before[name], value
        if name in gauged:
            step, size = (without_constant(v, gauged[name], weights) for v in (step, size))
        sizes[name], steps[name] = (mean(v**2, weights).sqrt() for v in (size, step))
    least = (ZERO * torch.stack([*sizes.values()]).max()).clamp(min=1e-300)
    return {name: float(steps[name] / torch.maximum(sizes[name], least)) for name in now}


@torch.no_grad()
def with_networks(
    solution: Solution, others: Mapping[str, nn.Module], at: Tensor
) -> dict[str, Tensor]:
    """The unknowns by component at points (N, D), with other networks in their place."""
    own = {name: solution.networks[name] for name in others}
    try:
        for name, network in others.items():
            solution.networks[name] = network
        values = [solution.values(part) for part in at.split(2**13)]
    finally:
        for name, network in own.items():
            solution.networks[name] = network
    joined = {name: torch.cat([part[name] for part in values]) for name in values[0]}
    return solution.problem.by_component(joined)


def gauged(solution: Solution, at: Tensor) -> dict[str, Tensor]:
    """Component with a constant that is open → the coordinates (N, K) that it depends on.

    Args:
        solution: whose components.
        at: points (N, D).
    """
    found = dict[str, Tensor]()
    for name, place in solution.problem.component_places.items():
        constant = solution.constant_of(*place)
        if constant is not None:
            found[name] = at[:, list(constant.along)]
    return found


def mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """The weighted mean."""
    return values.mean() if weights is None else (values * weights).mean()


def without_constant(values: Tensor, along: Tensor, weights: Tensor | None) -> Tensor:
    """f − c(t):  c is the best polynomial of what an open constant depends on.

    Args:
        values: f (N,).
        along: the coordinates t (N, K); of a plain constant K = 0.
        weights: of the points (N,).
    """
    root = (torch.ones_like(values) if weights is None else weights).sqrt()
    Q = torch.linalg.qr(root[:, None] * polynomials(along)).Q
    return values - (Q @ (Q.T @ (root * values))) / root.clamp(min=1e-150)


def polynomials(at: Tensor) -> Tensor:
    """Those of total degree 24 at points (N, K), (N, F)."""
    if not at.shape[1]:
        return torch.ones_like(at.new_empty(len(at), 1))
    lower, upper = at.amin(0), at.amax(0)
    local = 2 * (at - lower) / (upper - lower).clamp(min=1e-300) - 1
    table = torch.stack(chebyshev(local, DEGREE), -1)  # (N, K, DEGREE + 1)
    powers: Sequence[Sequence[int]] = list(exponents((DEGREE,) * at.shape[1]))
    factors = [table[:, axis, [k[axis] for k in powers]] for axis in range(at.shape[1])]
    return torch.stack(factors).prod(0)
