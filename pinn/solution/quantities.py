"""The quantities of a problem, evaluated: drag, flow rate, Nusselt number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinn.algebra.channels import HIGHEST
from pinn.algebra.series import MissingDerivativeError
from pinn.fields.elsewhere import Place, Tour, visited
from pinn.fields.field import Field, coordinate_field
from pinn.physics.explanation import ProblemError
from pinn.physics.problem import Problem
from pinn.physics.quantities import Quantity, reference_of
from pinn.physics.return_values import Fields, kind
from pinn.solution.quadrature import Quadrature, quadrature
from pinn.solution.queries import evaluating
from pinn.solution.representation import Representation

AGREE = 1e-6  # of two quadratures, one with twice the points of the other
LEVELS = 4  # of quadratures
ROUNDING = 64


@dataclass(frozen=True)
class QuantityValue:
    """The value of a quantity.

    Args:
        value: NaN where it could not be found.
        reference: the value that is known; None where it is not.
        source: where that comes from.
        change: by how much the integrals changed as the points were last doubled, as a part of
            those of the absolute values.
        failure: why there is no value; else empty.
        at: the parameters with a range, and what else it was asked for at.
    """

    value: float
    reference: float | None = None
    source: str = ""
    change: float = 0.0
    failure: str = ""
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float | None:
        """|q − q_ref| / |q_ref|, or |q| where that is 0; None without a reference."""
        if self.reference is None:
            return None
        return abs(self.value - self.reference) / (abs(self.reference) or 1.0)

    @property
    def is_settled(self) -> bool:
        """Whether twice the points give the same number."""
        return self.change <= 10 * AGREE

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        """As in `5.5721 (reference 5.5795, error 1.33e-03)`."""
        text = f"{self.value:.6g}"
        if self.failure:
            return f"{text}: {self.failure}"
        if self.reference is not None:
            text += f" (reference {self.reference:.6g}, error {self.error:.2e})"
        return text


class Evaluator:
    """Evaluates quantities; the fields of a region are shared by all of them.

    Args:
        solution: the problem with its networks, as they are.
        at: values of time and parameters; parameters are in the middle of their ranges by default.
    """

    def __init__(self, solution: Representation, at: Mapping[str, float] | None = None) -> None:
        self.solution = solution
        self.at = middle(solution.problem) | dict(at or {})
        self.known: dict[tuple[Place, int, int], tuple[Quadrature, Fields, Field]] = {}

    def value(self, quantity: Quantity) -> QuantityValue:
        """The value of a quantity, with twice the points until it stays.

        Raises:
            ProblemError: its method raised, or returned something else than a number.
        """
        before, value = self.at_level(quantity, 0)
        change = 0.0 if not before.values else math.inf
        eps = torch.finfo(next(self.solution.parameters()).dtype).eps
        for level in range(1, LEVELS) if before.values else ():
            tour, value = self.at_level(quantity, level)
            change = difference(before, tour)
            if change <= max(AGREE, ROUNDING * eps):
                break
            before = tour
        if not math.isfinite(value):
            change = 0.0
        known = reference_of(self.solution.problem, quantity)
        why = lack(quantity, value)
        return QuantityValue(value, known, quantity.source, change, why, self.at)

    def at_level(self, quantity: Quantity, level: int) -> tuple[Tour, float]:
        """The integrals of a quantity, and its value, with a number of points."""
        problem, order = self.solution.problem, 1
        while True:
            tour = Tour()
            try:
                run = partial(self.run, tour, quantity, level, order)
                result = problem.in_double(partial(visited, tour, run, Place()))
                return tour, single(quantity, result, bool(problem.geometry.coordinates.parameters))
            except MissingDerivativeError:
                order += 1
                if order + self.solution.taken > HIGHEST:
                    raise

    def run(self, tour: Tour, quantity: Quantity, level: int, order: int, place: Place) -> Any:
        """What the method of a quantity returns at the points of one place."""
        key = place, level, order
        if key not in self.known:
            self.known[key] = self.fields(*key)
        rule, fields, at = self.known[key]
        tour.begin(place, rule.rule)
        return self.solution.problem.run_quantity(quantity, fields, at, rule.points)

    def fields(self, place: Place, level: int, order: int) -> tuple[Quadrature, Fields, Field]:
        """The unknowns in float64 at the points of a place, gauges applied."""
        solution, problem = self.solution, self.solution.problem
        device = next(solution.parameters()).device
        fixed = tuple(sorted((self.at | dict(place.fixed)).items()))
        rule = quadrature(problem, replace(place, fixed=fixed), level).to(
            torch.empty(0, dtype=torch.float64).to(device)
        )
        plans, pieces = solution.up_to(order), list[Fields]()
        rows = 1 + max(len(plan.channels) for plan in plans.values())
        offsets = solution.offsets(rule.points.at, order)
        for piece in solution.placed(rule.points.at, rows):
            pieces.append(solution.gauged_fields(piece, plans, offsets)[0])
        joined = {name: in_one([piece[name] for piece in pieces]) for name in pieces[0]}
        at = coordinate_field(rule.points.at, problem.geometry.coordinates, max(order, 2))
        return rule, joined, at


def middle(problem: Problem) -> dict[str, float]:
    """The middle of the range of each parameter that has one."""
    geometry = problem.geometry
    columns = {name: geometry.coordinates.names.index(name) for name in problem.ranges}
    return {n: 0.5 * (geometry.lower[k] + geometry.upper[k]) for n, k in columns.items()}


def in_one(parts: list[Field]) -> Field:
    """A field at some points after the other, in float64."""
    first = parts[0]
    streams = {
        channel: torch.cat([part.stream(channel).double() for part in parts])
        for channel in first.streams
    }
    value = torch.cat([part.value.double() for part in parts])
    return Field(value, streams, first.coordinates, first.name)


def difference(before: Tour, now: Tour) -> float:
    """By how much integrals differ, as a part of those of the absolute values."""
    if len(before.values) != len(now.values):
        return math.inf
    parts = zip(before.values, now.values, now.sizes, strict=True)
    changes = [float(((a - b).abs() / size.clamp_min(1e-300)).max()) for a, b, size in parts]
    return max(changes, default=0.0)


def single(quantity: Quantity, result: Any, parameters: bool = False) -> float:
    """What a quantity returned, as a number.

    Raises:
        ProblemError: it is something else.
    """
    if parameters and isinstance(result, Field) and result.ndim == 1:
        value = result.value  # a parameter is a coordinate, of one value here
        result = value[0] if torch.allclose(value, value[0], 1e-12, 0.0) else result
    if isinstance(result, Tensor | np.ndarray) and result.ndim == 0:
        result = result.item()
    if not isinstance(result, Real):
        cure = "return one number"
        if isinstance(result, Field):
            cure = 'return one number, integral(…, on="boundary") or mean(…, on="interior") of it'
        elif isinstance(result, Tensor | np.ndarray) and len(result) > 0:
            cure = "return one of them, such as force[0]"
        raise ProblemError(f"quantity {quantity.name!r} returned {kind(result)}: {cure}")
    return float(result)


def lack(quantity: Quantity, value: float) -> str:
    """Why a quantity is no number, in one line; empty where it is one."""
    if math.isfinite(value):
        return ""
    return (
        f"quantity {quantity.name!r} is {value}: what it integrates is not finite at some points, "
        "or reads a normal where there is none"
    )


@torch.no_grad()
def quantity_values(
    solution: Representation, at: Mapping[str, float] | None = None
) -> dict[str, QuantityValue]:
    """Every quantity of the problem; one that fails has NaN for its value and says why."""
    evaluator = Evaluator(solution, at)
    with evaluating(solution):
        return {q.name: evaluated(evaluator, q) for q in solution.problem.quantities}


def evaluated(evaluator: Evaluator, quantity: Quantity) -> QuantityValue:
    """A quantity, whatever its method raises."""
    try:
        return evaluator.value(quantity)
    except Exception as error:  # whatever the Python of a problem raises
        line = line_of(quantity, error)
        return QuantityValue(math.nan, failure=line, at=evaluator.at)


def line_of(quantity: Quantity, error: Exception) -> str:
    """An error in one line that names the quantity."""
    text = " ".join(str(error).split())
    name = f"quantity {quantity.name!r}"
    return text if text.startswith(name) else f"{name}: {text}"


@torch.no_grad()
def check_quantities(solution: Representation) -> None:
    """Run every quantity once, before there is anything to lose.

    Raises:
        ProblemError: its method raises, or returns something else than a number. What arithmetic
            refuses for the weights as they are, such as the root of a negative number, may pass.
    """
    evaluator = Evaluator(solution)
    for quantity in solution.problem.quantities:
        try:
            with evaluating(solution):
                evaluator.at_level(quantity, 0)
            reference_of(solution.problem, quantity)
        except Exception as error:  # whatever the Python of a problem raises
            cause = error.__cause__ or error
            if isinstance(cause, ArithmeticError) or "math domain error" in str(cause):
                continue
            raise ProblemError(line_of(quantity, error)) from error
