"""Gauges: the constants, or functions of time and parameters, that the equations leave open.

A residual that reads only derivatives of p is the same for p + c, and with time, if it reads no
∂p/∂t, for p + c(t); with a parameter, if it reads no ∂p/∂Re, for p + c(Re, t). What is chosen for c
is subtracted wherever a solution is evaluated.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import get_args

import torch
from torch import Tensor

from pinn.base.messages import check_name, one_of
from pinn.dry_run.incompressible import velocity_of
from pinn.dry_run.leaves import as_needed, dry_run, leaf_fields, position
from pinn.geometry import Points
from pinn.physics.problem import Gauge, Problem

POINTS = 64  # of each region, in the search for what is read


@dataclass(frozen=True)
class Constant:
    """What is subtracted from components of an unknown.

    Args:
        name: what it was given for.
        unknown: which unknown that is, or belongs to.
        components: which of its components.
        gauge: how the constant is chosen.
        along: the columns of time and parameters that it is a function of, since the equations
            read no derivative of it along them.
    """

    name: str
    unknown: str
    components: tuple[int, ...]
    gauge: Gauge
    along: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """What the residuals of a problem read and state.

    Args:
        values: the components whose value is read.
        rates: those with the columns of time and parameters along which alone a derivative is.
        velocities: components whose divergence a residual is → that residual.
    """

    values: set[str]
    rates: set[tuple[str, int]]
    velocities: dict[tuple[str, ...], str]


def constants(problem: Problem, reading: Reading) -> list[Constant]:
    """The gauges of a problem, declared or found.

    Raises:
        ValueError: a gauge is unknown, or given for something that is no unknown.
    """
    used = []
    places = problem.component_places
    for name, gauge in problem.gauges.items():
        one_of("gauge", gauge, get_args(Gauge))
        line = f"a gauge is given for {name!r}, which is no unknown"
        check_name(name, [*problem.unknowns, *places], line)
        parts = problem.components(name) if name in problem.unknowns else (name,)
        which = tuple(places[part][1] for part in parts)
        along = open_along(problem, parts, reading)
        used.append(Constant(name, places[parts[0]][0], which, gauge, along))
    return used


def open_along(problem: Problem, parts: Sequence[str], reading: Reading) -> tuple[int, ...]:
    """Along which of time and parameters no derivative of some components is read by itself."""
    columns = problem.geometry.coordinates.beside_space
    return tuple(i for i in columns if reading.rates.isdisjoint((part, i) for part in parts))


def choose_gauges(problem: Problem) -> tuple[Reading, list[str]]:
    """Give a gauge to what the equations leave open, where the problem gives none.

    Returns:
        What is read, and the names that were given the gauge `zero_mean`.
    """
    reading = Reading(set(problem.component_places), set(), {})
    # What is wrong with a residual is said where it is to be trained.
    with suppress(Exception), torch.inference_mode(False), torch.enable_grad():
        reading = read_values(problem)
    before = getattr(problem, "_chosen_gauges", [])  # by another solution of the same problem
    chosen = [name for name in before if problem.gauges.get(name) == "zero_mean"]
    for unknown in problem.unknowns:
        names = problem.components(unknown)
        if not problem.gauges.keys().isdisjoint((unknown, *names)):
            continue
        still = [name for name in names if name not in reading.values]
        loose = [name for name in still if shifts_alone(problem, name, reading)]
        whole = len(loose) == len(names)
        chosen += [unknown] if whole else [name for name in loose if name != unknown]
    problem.gauges |= dict.fromkeys(chosen, "zero_mean")
    object.__setattr__(problem, "_chosen_gauges", chosen)
    return reading, chosen


def read_values(problem: Problem) -> Reading:
    """Which components the residuals read by value, and which by derivatives beside space."""
    reading, beside = Reading(set(), set(), {}), set(problem.geometry.coordinates.beside_space)
    for residual in problem.residuals:
        for region in () if residual.partner else residual.regions:  # p − p of two points
            points = problem.geometry.sample(region, POINTS)
            leaves, result = as_needed(partial(dry_run, problem, residual, points))
            if region == "interior" and (parts := velocity_of(problem, leaves, result)):
                reading.velocities.setdefault(parts, residual.name)
            total = distinct_sum(result)
            for name, field in leaves.items():
                names = problem.components(name)
                reading.values.update(depended(names, total, field.value))
                for channel in field.streams if beside else ():
                    axes = {i for indices in channel for i in indices}
                    if axes <= beside:
                        read = depended(names, total, field.stream(channel))
                        reading.rates.update(product(read, axes))
    return reading


def distinct_sum(values: Tensor) -> Tensor:
    """A number that depends on each of some values in another way."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(values.shape, generator=generator, dtype=torch.float64)
    return (values * (0.5 + weights)).sum()


def depended(names: tuple[str, ...], result: Tensor, leaf: Tensor) -> list[str]:
    """The components of a leaf (N,) or (N, C) that a result depends on."""
    if not result.requires_grad:
        return []
    (slope,) = torch.autograd.grad(result, leaf, allow_unused=True, retain_graph=True)
    if slope is None or len(names) == 1:
        return [] if slope is None else list(names)
    return [n for n, read in zip(names, slope.ne(0).any(0), strict=True) if read]  # NaN is not 0


def shifts_alone(problem: Problem, component: str, reading: Reading) -> bool:
    """Whether the networks can move a component by a constant, and nothing that is read with it.

    An ansatz may fix the constant, as p = x p̂ does, or tie it to another unknown.
    """
    if getattr(problem.ansatz, "__func__", None) is Problem.ansatz:  # none of its own
        return True
    points = problem.geometry.sample("interior", POINTS)
    return as_needed(lambda n: any(moves(problem, component, reading, points, n)))


def moves(
    problem: Problem, component: str, reading: Reading, points: Points, highest: int
) -> Iterator[bool]:
    """For each output of the networks, whether raising it by 1 moves that component alone.

    The component has to move evenly over what its constant does not depend on: p = p̂/Re does.
    """
    twin = points.at.roll(1, 0)  # at other places, at the same parameters and times
    for i in open_along(problem, (component,), reading):
        twin[:, i] = points.at[:, i]
    at = position(problem, Points(torch.cat([points.at, twin])), highest)
    raw = leaf_fields(problem, problem.raw, len(at.value), highest)
    before = problem.represent(dict(raw), at)
    for name in problem.raw:
        for k in range(len(problem.components(name))):
            step = torch.zeros_like(raw[name].value)
            step.reshape(len(step), -1)[:, k] = 1.0
            lifted = raw[name].like(raw[name].value + step, raw[name].streams).named(name)
            after = problem.represent({**raw, name: lifted}, at)
            shifts = problem.by_component(
                {n: (after[n].value - before[n].value).detach() for n in problem.unknowns}
            )
            own = shifts[component]
            still = all(float(shifts[part].abs().max()) < 1e-9 for part in reading.values)
            one, other = own.chunk(2)
            even = float((one - other).abs().max()) < 1e-9 < float(own.abs().min())
            yield still and even
