"""Which residuals hide a part of themselves from training, as `u.detach()` does.

The derivative by reverse mode along a direction is compared with the central difference of the
values, at random fields: v·J d = (v·r(w + h d) − v·r(w − h d)) / 2h unless something is hidden.
"""

import warnings

import torch
from torch import Tensor

from pinn.fields import Field
from pinn.geometry import Points
from pinn.leaves import leaf_fields, position
from pinn.notation import cut
from pinn.problem import Fields, Problem
from pinn.residuals import Residual

STEPS = (1e-5, 1e-6)  # a kink between two values shows with one of them, not alike with both
NEAR = 1e-3


def hides(problem: Problem, residual: Residual, points: Points, highest: int) -> bool:
    """Whether the gradient that training sees is not that of a residual's values.

    Raises:
        ValueError: training sees nothing of the residual.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of fields that no solution has
        is_hidden = differs(problem, residual, points, highest)
        if is_hidden:
            with cut():
                seen = values_at(problem, residual, points, 0.0, highest)
            if not seen.requires_grad:
                raise ValueError(
                    f"residual {residual.name!r} reads no unknown: training cannot reduce it, "
                    "since all that it returns is under .detach()"
                )
    return is_hidden


def differs(problem: Problem, residual: Residual, points: Points, highest: int) -> bool:
    """Whether reverse mode and differences disagree, at two distances alike."""
    leaves = moved(problem, points, 0.0, highest)
    value = evaluated(problem, residual, points, leaves, highest)
    if not value.requires_grad:
        return False
    generator = torch.Generator().manual_seed(2)
    v = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    tensors = [t for f in leaves.values() for t in (f.value, *map(f.stream, f.streams))]
    found = torch.autograd.grad((v * value).sum(), tensors, allow_unused=True)
    terms = [g * d for g, d in zip(found, directions(tensors), strict=True) if g is not None]
    slope = sum((float(t.sum()) for t in terms), 0.0)
    size = sum((float(t.abs().sum()) for t in terms), 0.0)

    def difference(h: float) -> float:
        plus, minus = (values_at(problem, residual, points, s * h, highest) for s in (1, -1))
        return float((v * (plus - minus)).sum()) / (2 * h)

    wide, close = map(difference, STEPS)
    again = values_at(problem, residual, points, 0.0, highest)
    noise = float((v * value).abs().sum()) * 1e-9 / STEPS[0]
    limit = NEAR * max(size, abs(close)) + noise * NEAR
    same = torch.equal(again, value)  # random numbers have no derivative
    return same and abs(wide - close) <= limit < abs(close - slope)


def values_at(
    problem: Problem, residual: Residual, points: Points, h: float, highest: int
) -> Tensor:
    """The residual at random fields that are moved by h along the direction."""
    return evaluated(problem, residual, points, moved(problem, points, h, highest), highest)


def evaluated(
    problem: Problem, residual: Residual, points: Points, leaves: Fields, highest: int
) -> Tensor:
    """The residual at given fields, through the ansatz."""
    at = position(problem, points, highest)
    return problem.evaluate(residual, problem.represent(dict(leaves), at), at, points)


def moved(problem: Problem, points: Points, h: float, highest: int) -> Fields:
    """Random fields, moved by h along a random direction."""
    leaves = leaf_fields(problem, problem.raw, len(points), highest)
    if not h:
        return leaves
    tensors = [t for f in leaves.values() for t in (f.value, *map(f.stream, f.streams))]
    steps = iter(directions(tensors))

    def along(t: Tensor) -> Tensor:
        return t.detach() + h * next(steps)

    return {
        name: Field(along(f.value), {c: along(f.stream(c)) for c in f.streams}, f.coordinates, name)
        for name, f in leaves.items()
    }


def directions(tensors: list[Tensor]) -> list[Tensor]:
    """A random direction for each."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in tensors]
