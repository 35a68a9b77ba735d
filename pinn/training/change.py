"""How much one solution differs from another, component by component."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

ZERO = 1e-6  # of the largest component: below, one counts as zero and is measured by that


def changes(
    now: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    gauged: Collection[str],
    weights: Tensor | None,
) -> dict[str, float]:
    """|u − u_before| / |u| in L2; of one that is zero, in parts of the largest component.

    Args:
        now: component → values (N,).
        before: likewise.
        gauged: the components with a constant that is open.
        weights: of the points (N,), with mean 1.
    """
    sizes, steps = dict[str, Tensor](), dict[str, Tensor]()
    for name, value in now.items():
        step, size = value - before[name], value
        if name in gauged:
            step, size = (v - mean(v, weights) for v in (step, size))
        sizes[name], steps[name] = (mean(v**2, weights).sqrt() for v in (size, step))
    least = (ZERO * torch.stack([*sizes.values()]).max()).clamp(min=1e-300)
    return {name: float(steps[name] / torch.maximum(sizes[name], least)) for name in now}


def mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """The weighted mean."""
    return values.mean() if weights is None else (values * weights).mean()
