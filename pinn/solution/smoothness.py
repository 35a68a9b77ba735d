"""Whether a network can have the derivatives that the equations read.

A ReLU network is made of flat pieces: its second derivative is zero everywhere, and no training
changes that. It is noticed on a line through the domain, t ↦ u(x + t v), before the first step.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Plan, symbol
from pinn.algebra.channels import order as channel_order
from pinn.algebra.no_rule import NoRuleError
from pinn.derivatives.evaluate import evaluate
from pinn.solution.queries import evaluating
from pinn.solution.solution import Solution

POINTS = 48
BENT = (
    nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6, nn.Hardtanh, nn.Hardsigmoid,
    nn.Hardshrink, nn.Softshrink, nn.Threshold,
)  # fmt: skip
WORDS = {1: "first", 2: "second", 3: "third", 4: "fourth"}


def check_curvature(solution: Solution, plans: Mapping[str, Plan]) -> None:
    """Refuse a network whose derivatives of some order are zero wherever they are read.

    A network that is linear throughout has no second derivative either, and may be meant so.

    Args:
        solution: the problem with its networks.
        plans: network → what the equations read of it.

    Raises:
        ValueError: they are zero at all points tried, and those of the order below are not alike.
    """
    for name, plan in plans.items():
        network = solution.networks[name]
        order = flat_order(solution, network, plan.order)
        if order is None:
            continue
        bent = sorted({type(m).__name__ for m in network.modules() if isinstance(m, BENT)})
        made = f"made of straight pieces by {', '.join(bent)}" if bent else type(network).__name__
        names = solution.problem.geometry.coordinates.names
        read = " ".join(symbol(c, names) for c in plan.channels if channel_order(c) >= order)
        raise ValueError(
            f"the equations read {read} of network {name!r} ({made}), but its "
            f"{WORDS[order]} derivatives are zero everywhere: give it a smooth activation such as "
            f"tanh{'' if bent else ' and inputs of order one'}"
        )


def flat_order(solution: Solution, network: nn.Module, highest: int) -> int | None:
    """The lowest order of differentiation that gives zero at all points without reason."""
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(1))
    places = points_of(solution).to(like)
    generator = torch.Generator().manual_seed(1)
    along = torch.rand(places.shape[-1], generator=generator, dtype=torch.float64) + 0.5
    direction = along.to(like) * (places.amax(0) - places.amin(0))
    plan = Plan(tuple(((0,) * n,) for n in range(1, highest + 1)))
    for strategy in ("loop", "taylor"):
        try:
            with torch.random.fork_rng(devices=[]), evaluating(network):
                jet = evaluate(lambda t: network(places + t * direction),
                               like.new_zeros(POINTS, 1), plan, strategy)  # fmt: skip
            break
        except (RuntimeError, NoRuleError):
            continue
    else:
        return None  # it cannot be differentiated so often at all: said where it is tried
    orders = [jet.value.detach(), *(jet.stream(c).detach() for c in plan.channels)]
    for order, (below, slope) in enumerate(pairwise(orders), 1):
        if not slope.any() and varies(below):
            return order
    return None


def points_of(solution: Solution) -> Tensor:
    """Points in the domain, and others far around it, where kinks lie that the domain misses."""
    inside = solution.problem.geometry.sample("interior", POINTS).at
    middle = inside.mean(0)
    stretch = torch.logspace(-2, 2, POINTS, dtype=inside.dtype).clamp_min(1)[:, None]
    return middle + stretch * (inside - middle)


def varies(values: Tensor) -> bool:
    """Whether values differ from point to point by more than rounding."""
    finite = values[values.isfinite().all(-1)]
    if len(finite) < 2:
        return False
    spread = finite.amax(0) - finite.amin(0)
    return bool((spread > 1e-4 * finite.abs().amax(0)).any())
