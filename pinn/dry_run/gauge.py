"""Gauges: the constants, or functions of time, that the equations leave open.

A residual that reads only derivatives of p is the same for p + c, and with time, if it reads no
∂p/∂t, for p + c(t). What is chosen for c is subtracted wherever a solution is evaluated.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
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
        at_instants: whether anew at every instant, since the equations read no ∂/∂t of it.
    """

    name: str
    unknown: str
    components: tuple[int, ...]
    gauge: Gauge
    at_instants: bool


@dataclass(frozen=True)
class Reading:
    """What the residuals of a problem read and state.

    Args:
        values: unknown → for each component, whether its value is read.
        rates: unknown → for each component, whether ∂/∂t alone of it is read.
        velocities: components whose divergence a residual is → that residual.
    """

    values: dict[str, list[bool]]
    rates: dict[str, list[bool]]
    velocities: dict[tuple[str, ...], str]


def constants(problem: Problem, reading: Reading) -> list[Constant]:
    """The gauges of a problem, declared or found.

    Raises:
        ValueError: a gauge is unknown, or given for something that is no unknown.
    """
    used = []
    timed = problem.geometry.coordinates.time is not None
    places = problem.component_places
    for name, gauge in problem.gauges.items():
        one_of("gauge", gauge, get_args(Gauge))
        line = f"a gauge is given for {name!r}, which is no unknown"
        check_name(name, [*problem.unknowns, *places], line)
        if name in problem.unknowns:
            unknown, which = name, tuple(range(len(problem.components(name))))
        else:
            unknown, which = places[name][0], (places[name][1],)
        moving = any(reading.rates[unknown][k] for k in which)
        used.append(Constant(name, unknown, which, gauge, timed and not moving))
    return used


def choose_gauges(problem: Problem) -> tuple[Reading, list[str]]:
    """Give a gauge to what the equations leave open, where the problem gives none.

    Returns:
        What is read, and the names that were given the gauge `zero_mean`.
    """
    unknowns = problem.unknowns
    reading = Reading(
        {name: [True] * len(problem.components(name)) for name in unknowns},
        {name: [False] * len(problem.components(name)) for name in unknowns},
        {},
    )
    # What is wrong with a residual is said where it is to be trained.
    with suppress(Exception), torch.inference_mode(False), torch.enable_grad():
        reading = read_values(problem)
    before = getattr(problem, "_chosen_gauges", [])  # by another solution of the same problem
    chosen = [name for name in before if problem.gauges.get(name) == "zero_mean"]
    for unknown in problem.unknowns:
        names = problem.components(unknown)
        if unknown in problem.gauges or any(name in problem.gauges for name in names):
            continue
        still = [k for k, read in enumerate(reading.values[unknown]) if not read]
        loose = [k for k in still if shifts_alone(problem, unknown, k, reading)]
        whole = len(loose) == len(names)
        chosen += [unknown] if whole else [names[k] for k in loose if names[k] != unknown]
    problem.gauges |= dict.fromkeys(chosen, "zero_mean")
    object.__setattr__(problem, "_chosen_gauges", chosen)
    return reading, chosen


def read_values(problem: Problem) -> Reading:
    """Which components the residuals read by value, and which by a derivative in time alone."""
    values = {name: [False] * len(problem.components(name)) for name in problem.unknowns}
    rates = {name: list(flags) for name, flags in values.items()}
    velocities: dict[tuple[str, ...], str] = {}
    time = problem.geometry.coordinates.time
    for residual in problem.residuals:
        for region in residual.regions:
            points = problem.geometry.sample(region, POINTS)
            leaves, result = as_needed(partial(dry_run, problem, residual, points))
            if region == "interior" and (parts := velocity_of(problem, leaves, result)):
                velocities.setdefault(parts, residual.name)
            total = distinct_sum(result)
            for name, field in leaves.items():
                mark(values[name], total, field.value)
                for channel in field.streams if time is not None else ():
                    if set(channel) == {(time,) * len(channel[0])}:
                        mark(rates[name], total, field.stream(channel))
    return Reading(values, rates, velocities)


def distinct_sum(values: Tensor) -> Tensor:
    """A number that depends on each of some values in another way."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(values.shape, generator=generator, dtype=torch.float64)
    return (values * (0.5 + weights)).sum()


def mark(flags: list[bool], result: Tensor, leaf: Tensor) -> None:
    """Note the components of a leaf (N,) or (N, C) that a result depends on."""
    if not result.requires_grad:
        return
    (slope,) = torch.autograd.grad(result, leaf, allow_unused=True, retain_graph=True)
    if slope is None:
        return
    columns = slope.reshape(len(slope), -1).ne(0).any(0).tolist()  # NaN is not 0
    for k, read in enumerate(columns if len(flags) > 1 else [True]):
        flags[k] = flags[k] or read


def shifts_alone(problem: Problem, unknown: str, component: int, reading: Reading) -> bool:
    """Whether the networks can move a component by a constant, and nothing that is read with it.

    An ansatz may fix the constant, as p = x p̂ does, or tie it to another unknown.
    """
    if getattr(problem.ansatz, "__func__", None) is Problem.ansatz:  # none of its own
        return True
    points = problem.geometry.sample("interior", POINTS)
    return as_needed(lambda n: any(moves(problem, unknown, component, reading, points, n)))


def moves(
    problem: Problem, unknown: str, component: int, reading: Reading, points: Points, highest: int
) -> list[bool]:
    """For each output of the networks, whether raising it by 1 moves that component alone."""
    at = position(problem, points, highest)
    raw = leaf_fields(problem, problem.raw, len(points), highest)
    before = problem.represent(dict(raw), at)
    read = [part for part, (n, k) in problem.component_places.items() if reading.values[n][k]]
    moved = []
    for name in problem.raw:
        for k in range(len(problem.components(name))):
            step = torch.zeros_like(raw[name].value)
            step.reshape(len(step), -1)[:, k] = 1.0
            lifted = raw[name].like(raw[name].value + step, raw[name].streams).named(name)
            after = problem.represent({**raw, name: lifted}, at)
            shifts = problem.by_component(
                {n: (after[n].value - before[n].value).detach() for n in problem.unknowns}
            )
            own = shifts[problem.components(unknown)[component]]
            still = all(float(shifts[part].abs().max()) < 1e-9 for part in read)
            even = float((own - own[0]).abs().max()) < 1e-9 < float(own[0].abs())
            moved.append(still and even)
    return moved
