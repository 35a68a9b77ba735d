"""Mass over boxes: what flows into a part of the domain and does not leave it."""

from collections.abc import Sequence

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from pinn.geometry import Geometry
from pinn.solution.solution import Solution

LINE = {2: (4, 8), 3: (4, 4), 4: (2, 4)}  # boxes, and points of a rule in each, per axis


@torch.no_grad()
def mass_balance(solution: Solution, velocity: Sequence[str]) -> float:
    """√( mean over boxes of (∮ u·n ds / |box|)² ), boxes that partition the domain.

    By Gauss' theorem each is the mean of ∇·u over a box, and so at most the RMS of ∇·u. It is found
    from the velocity on the faces alone, by Gauss–Legendre quadrature: what ∇·u does between the
    points of a sample cannot hide from it. With time, boxes are those of space and time.

    Args:
        solution: whose.
        velocity: the component along each coordinate of space.
    """
    geometry = solution.problem.geometry
    like = next(solution.parameters())
    total: Tensor | None = None
    for axis, component in zip(geometry.coordinates.space, velocity, strict=True):
        at, weights = planes(geometry, axis)
        values = solution.problem.by_component(solution.values(at.to(like)))
        flux = values[component].double().cpu()
        dimensions = len(geometry.lower)
        boxes, points = LINE[dimensions]
        # (planes, box, point, box, point, …), the points summed, the planes back in their place
        flux = (flux.reshape(boxes + 1, -1) * weights).reshape(
            boxes + 1, *[boxes, points] * (dimensions - 1)
        )
        flux = flux.sum(tuple(range(2, 2 * dimensions, 2))).movedim(0, axis)
        side = (geometry.upper[axis] - geometry.lower[axis]) / boxes
        gain = flux.diff(dim=axis) / side
        total = gain if total is None else total + gain
    assert total is not None
    return float(total.square().mean().sqrt())


def planes(geometry: Geometry, axis: int) -> tuple[Tensor, Tensor]:
    """Points on the planes between boxes, plane by plane, and their weights: mean 1 on a face."""
    boxes, points = LINE[len(geometry.lower)]
    unit, weight = (torch.from_numpy(values) for values in leggauss(points))
    corners = torch.arange(boxes, dtype=torch.float64).unsqueeze(-1)
    along = ((corners + 0.5 * (1 + unit)) / boxes).flatten()
    shares = (0.5 * weight).repeat(boxes)
    ends = torch.linspace(0, 1, boxes + 1, dtype=torch.float64)
    sides = zip(geometry.lower, geometry.upper, strict=True)
    lines = [
        low + (high - low) * (ends if i == axis else along) for i, (low, high) in enumerate(sides)
    ]
    order = [axis, *(i for i in range(len(lines)) if i != axis)]
    grid = torch.cartesian_prod(*(lines[i] for i in order))
    at = torch.empty_like(grid)
    at[:, order] = grid
    across = torch.meshgrid(*[shares] * (len(lines) - 1), indexing="ij")
    return at, torch.stack(across).prod(0).flatten()
