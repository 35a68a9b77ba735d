"""Fields of a dry run: every derivative is a leaf of its own, so that what is read shows."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import torch

from pinn.algebra.channels import HIGHEST, MANY, Channel, Plan, common_channels, every_channel
from pinn.algebra.series import MissingDerivativeError
from pinn.fields.elsewhere import TOUR, Place, touring
from pinn.fields.field import Field, coordinate_field
from pinn.fields.integrals import Known
from pinn.geometry import Points
from pinn.physics.problem import Fields, Problem
from pinn.physics.residuals import Residual

T = TypeVar("T")


def as_needed(run: Callable[[int], T]) -> T:
    """A dry run with derivatives up to second order, or up to third or fourth if it reads them.

    Raises:
        MissingDerivativeError: it reads derivatives of a higher order still.
    """
    for highest in range(2, HIGHEST):
        with suppress(MissingDerivativeError):
            return run(highest)
    return run(HIGHEST)


def offered(problem: Problem, highest: int) -> tuple[Channel, ...]:
    """Every derivative up to an order; of fourth order in many dimensions those that ∇⁴ reads."""
    coordinates = problem.geometry.coordinates
    if highest < HIGHEST or len(coordinates) <= MANY:
        return every_channel(len(coordinates), coordinates.space, highest)
    return Plan(common_channels(len(coordinates), coordinates.space, highest)).channels


def position(problem: Problem, points: Points, highest: int) -> Field:
    """The coordinates at some points; in many dimensions without mixed derivatives at first."""
    coordinates = problem.geometry.coordinates
    lean = common_channels(len(coordinates), coordinates.space, highest) if highest < 3 else None
    return coordinate_field(points.at, coordinates, channels=lean or offered(problem, highest))


def leaf_fields(problem: Problem, names: tuple[str, ...], n: int, highest: int) -> Fields:
    """Fields whose value and derivatives are separate leaves, positive and of order one."""
    coordinates = problem.geometry.coordinates
    channels = offered(problem, highest)
    generator = torch.Generator().manual_seed(0)
    fields = {}
    for name in names:
        shape = len(channels) + 1, *problem.shape_of(name, n)
        random = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5
        value, *streams = (leaf.clone().requires_grad_() for leaf in random)
        fields[name] = Field(value, dict(zip(channels, streams, strict=True)), coordinates, name)
    return fields


def tensors_of(fields: Fields) -> list[torch.Tensor]:
    """The values and derivatives of fields, one after the other."""
    return [t for f in fields.values() for t in (f.value, *map(f.stream, f.streams))]


def mapped(fields: Fields, change: Callable[[torch.Tensor], torch.Tensor]) -> Fields:
    """Fields of which the value and every derivative are changed, in the order of `tensors_of`."""
    changed = {}
    for name, field in fields.items():
        value = change(field.value)
        streams = {channel: change(field.stream(channel)) for channel in field.streams}
        changed[name] = Field(value, streams, field.coordinates, name)
    return changed


def dry_run(
    problem: Problem,
    residual: Residual,
    points: Points,
    highest: int,
    leaves: Fields | None = None,
) -> tuple[Fields, torch.Tensor]:
    """The values of a residual where every derivative of the unknowns is a leaf.

    Args:
        problem: evaluated in float64.
        residual: one of its residuals.
        points: of a region of the residual.
        highest: the order of the derivatives.
        leaves: what the networks give, for an evaluation through the ansatz.

    Returns:
        The leaves, those of the unknowns by default, and the values.
    """
    at = position(problem, points, highest)
    if leaves is None:
        leaves = unknowns = leaf_fields(problem, tuple(problem.unknowns), len(points), highest)
    else:
        unknowns = problem.represent(dict(leaves), at)
    with touring(TOUR.get() or Known()):
        return leaves, problem.evaluate(residual, unknowns, at, points, unknowns)


def places(problem: Problem, residual: Residual, points: Points, highest: int) -> list[Place]:
    """Where a residual takes numbers besides its own region, in the order in which it asks."""
    known = Known()
    with touring(known):
        dry_run(problem, residual, points, highest)
    return known.places


def raw_leaves(problem: Problem, points: Points, highest: int) -> Fields:
    """What the networks give at some points, every derivative a leaf."""
    return leaf_fields(problem, problem.raw, len(points), highest)


def orders_taken(problem: Problem) -> int:
    """How many orders of differentiation the ansatz uses up: 1 for a stream function, mostly 0."""
    coordinates = problem.geometry.coordinates
    at = problem.geometry.sample("interior", 1).at
    for taken in range(HIGHEST):
        try:
            leaves = leaf_fields(problem, problem.raw, 1, taken)
            problem.represent(leaves, coordinate_field(at, coordinates, max(taken, 2)))
        except MissingDerivativeError:
            continue
        return taken
    name = type(problem).__name__
    raise ValueError(f"{name}.ansatz differentiates more than {HIGHEST - 1} times")
