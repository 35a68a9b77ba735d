"""Which residuals hide a part of themselves from training, as `u.detach()` does.

The derivative by reverse mode along a direction is compared with the central difference of the
values, at random fields: v·J d = (v·r(w + h d) − v·r(w − h d)) / 2h unless something is hidden.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from pinn.dry_run.leaves import dry_run, mapped, raw_leaves, tensors_of
from pinn.fields.notation import cut
from pinn.geometry import Points
from pinn.physics.problem import Problem
from pinn.physics.residuals import Residual

STEPS = (1e-5, 1e-6)  # a kink between two values shows with one of them, not alike with both
NEAR = 1e-3


def hides(problem: Problem, residual: Residual, points: Points, highest: int) -> bool:
    """Whether the gradient that training sees is not that of a residual's values.

    Raises:
        ValueError: training sees nothing of the residual.
    """
    leaves = raw_leaves(problem, points, highest)
    steps = noise(tensors_of(leaves), seed=1)

    def values(h: float = 0.0) -> Tensor:
        """The residual at random fields that are moved by h along a random direction."""
        remaining = iter(steps)
        fields = mapped(leaves, lambda t: t.detach() + h * next(remaining)) if h else leaves
        return dry_run(problem, residual, points, highest, fields)[1]

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of fields that no solution has
        is_hidden = differs(values, tensors_of(leaves), steps)
        if is_hidden:
            with cut():
                seen = values()
            if not seen.requires_grad:
                raise ValueError(
                    f"residual {residual.name!r} reads no unknown: training cannot reduce it, "
                    "since all that it returns is under .detach()"
                )
    return is_hidden


def differs(values: Callable[..., Tensor], leaves: list[Tensor], steps: list[Tensor]) -> bool:
    """Whether reverse mode and differences disagree, at two distances alike."""
    value = values()
    if not value.requires_grad:
        return False
    (v,) = noise([value], seed=2)
    gradients = torch.autograd.grad((v * value).sum(), leaves, allow_unused=True)
    terms = [g * d for g, d in zip(gradients, steps, strict=True) if g is not None]
    slope = sum((float(t.sum()) for t in terms), 0.0)
    size = sum((float(t.abs().sum()) for t in terms), 0.0)
    wide, close = (float((v * (values(h) - values(-h))).sum()) / (2 * h) for h in STEPS)
    rounding = float((v * value).abs().sum()) * 1e-9 / STEPS[0]
    limit = NEAR * max(size, abs(close)) + rounding * NEAR
    same = torch.equal(values(), value)  # random numbers have no derivative
    return same and abs(wide - close) <= limit < abs(close - slope)


def noise(tensors: list[Tensor], seed: int) -> list[Tensor]:
    """Normal random numbers in the shape of each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in tensors]
