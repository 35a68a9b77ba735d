"""Mass over boxes: what flows into a part of the domain and does not leave it."""

from collections.abc import Sequence

import torch
from numpy.polynomial.legendre import leggauss

from pinn.assessment.inner_boxes import boxes_inside
from pinn.geometry.sampling import gauss_points, product
from pinn.solution.solution import Solution

LINE = {2: (4, 8), 3: (4, 4), 4: (2, 4)}  # boxes, and points of a rule in each, per axis
VALUES = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)  # of a parameter, in parts of its range


@torch.no_grad()
def mass_balance(solution: Solution, velocity: Sequence[str]) -> float:
    """√( mean over boxes of (∮ u·n ds / |box|)² ), boxes that partition the domain.

    By Gauss' theorem each is the mean of ∇·u over a box, and so at most the RMS of ∇·u. It is found
    from the velocity on the faces alone, by Gauss–Legendre quadrature: what ∇·u does between the
    points of a sample cannot hide from it. With time, boxes are those of space and time; with a
    parameter, they are taken at three of its values. In a shape that is no box, they are boxes that
    lie wholly inside, smaller ones near the boundary, and the mean is by their volume.

    Args:
        solution: whose.
        velocity: the component along each coordinate of space.
    """
    geometry = solution.problem.geometry
    if not geometry.is_box:
        return balance_inside(solution, velocity)
    sides = list(zip(geometry.lower, geometry.upper, strict=True))
    parameters = [geometry.coordinates.index(name) for name in geometry.coordinates.parameters]
    boxes, points = LINE[len(sides) - len(parameters)]
    unit, weight = (torch.from_numpy(values) for values in leggauss(points))
    corners = torch.arange(boxes, dtype=torch.float64).unsqueeze(-1)
    inside = ((corners + 0.5 * (1 + unit)) / boxes).flatten()
    faces = torch.linspace(0, 1, boxes + 1, dtype=torch.float64)
    gains = []
    at_once = [VALUES if i in parameters else inside for i in range(len(sides))]
    for axis, component in zip(geometry.coordinates.space, velocity, strict=True):
        lines = [
            low + (high - low) * (faces if i == axis else at_once[i])
            for i, (low, high) in enumerate(sides)
        ]
        at = torch.cartesian_prod(*lines).to(next(solution.parameters()))
        values = solution.problem.by_component(solution.values(at))
        flux = values[component].double().cpu().reshape([len(line) for line in lines])
        for i in range(len(sides)):
            if i != axis and i not in parameters:  # the mean over the faces of each box
                flux = flux.unflatten(i, (boxes, points)).movedim(i + 1, -1) @ (0.5 * weight)
        gains.append(flux.diff(dim=axis) * boxes / (sides[axis][1] - sides[axis][0]))
    return float(torch.stack(gains).sum(0).square().mean().sqrt())


def balance_inside(solution: Solution, velocity: Sequence[str]) -> float:
    """The balance over boxes that lie wholly inside a shape."""
    geometry, like = solution.problem.geometry, next(solution.parameters())
    parameters = [geometry.coordinates.index(name) for name in geometry.coordinates.parameters]
    own = [i for i in range(len(geometry.lower)) if i not in parameters]
    boxes, points = LINE[len(own)]
    lower, sides = boxes_inside(geometry, boxes)
    chosen = torch.empty(1, 0, dtype=torch.float64)
    if parameters:
        ends = [(geometry.lower[i], geometry.upper[i]) for i in parameters]
        chosen = product([low + (high - low) * VALUES for low, high in ends])
    gains = torch.zeros(len(chosen), len(lower), dtype=torch.float64)
    unit, weights = gauss_points(points, len(own) - 1)
    for axis, component in zip(geometry.coordinates.space, velocity, strict=True):
        for end in (0.0, 1.0):
            face = torch.cat(
                [unit[:, :axis], unit.new_full((len(unit), 1), end), unit[:, axis:]], 1
            )
            at = torch.empty(*gains.shape, len(unit), len(geometry.lower), dtype=torch.float64)
            at[..., own] = lower[:, None] + sides[:, None] * face
            at[..., parameters] = chosen[:, None, None]
            values = solution.values(at.reshape(-1, at.shape[-1]).to(like))
            flux = solution.problem.by_component(values)[component].double().cpu()
            mean = flux.reshape(at.shape[:-1]) @ weights / len(unit)
            gains += (mean if end else -mean) / sides[:, axis]
    volume = sides.prod(1)
    return float(((gains.square() @ volume) / volume.sum()).mean().sqrt())
