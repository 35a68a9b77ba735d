"""Derivatives by name: `u.x` is ∂u/∂x, `u.xy` is ∂²u/∂x∂y, `vorticity` is ∇×u.

<component>.<coordinates>     a partial derivative; dots between longer names: u.x1.x2
<component>.laplacian         ∇² of it
<unknown>.divergence          ∇· of a vector, <unknown>.vorticity its ∇×; without the unknown's
name where there is one vector with as many components as axes
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from pinn.algebra.channels import HIGHEST, Channel, Plan, first, laplace, order
from pinn.base.messages import check_name
from pinn.fields.field import Field, partial
from pinn.fields.vector_calculus import curl, div, laplacian
from pinn.physics.problem import Fields, Problem
from pinn.solution.representation import Representation

OF_VECTORS = {"divergence": div, "vorticity": curl}


@dataclass(frozen=True)
class NamedDerivative:
    """What is computed from the unknowns.

    Args:
        name: as asked for.
        channels: the derivatives it reads.
        of: from the unknowns to the derivative: (N,), or (N, 3) for a vorticity in space.
    """

    name: str
    channels: tuple[Channel, ...]
    of: Callable[[Fields], Field]


def named_derivatives(names: Sequence[str], solution: Representation) -> list[NamedDerivative]:
    """Derivatives by name.

    Args:
        names: such as ("vorticity", "u.x").
        solution: its unknowns and coordinates, and the orders that its ansatz takes.

    Raises:
        ValueError: a name means nothing here, or a derivative of too high an order.
    """
    names = (names,) if isinstance(names, str) else names
    wanted, taken = [named_derivative(name, solution.problem) for name in names], solution.taken
    for each in wanted:
        highest = max(map(order, each.channels))
        if highest + taken > HIGHEST:
            because = f", and the ansatz takes {taken}" if taken else ""
            raise ValueError(
                f"{each.name!r} is a derivative of order {highest}: at most {HIGHEST} are offered"
                f"{because}"
            )
    return wanted


def named_derivative(name: str, problem: Problem) -> NamedDerivative:
    """A derivative by its name.

    Raises:
        ValueError: it means nothing for this problem.
    """
    stem, _, rest = name.partition(".")
    space = problem.geometry.coordinates.space
    operator, asked = (name, None) if name in OF_VECTORS else (rest, stem)
    if operator in OF_VECTORS:
        unknown = vector_of(name, operator, asked, problem)
        gradient = tuple(first(i) for i in space)
        return NamedDerivative(name, gradient, lambda fields: OF_VECTORS[operator](fields[unknown]))
    places = problem.component_places
    check_name(stem, places, f"{name!r} is neither an unknown nor a derivative here")
    place = places[stem]
    if rest == "laplacian":
        return NamedDerivative(
            name, (laplace(space),), lambda f: laplacian(component_field(f, *place))
        )
    axes = axes_of(name, rest, problem)
    channel = ((*sorted(axes),),)
    return NamedDerivative(
        name, (channel,), lambda f: reduce(partial, axes, component_field(f, *place))
    )


def component_field(fields: Fields, unknown: str, k: int) -> Field:
    """A component (N,) of an unknown."""
    return fields[unknown] if fields[unknown].ndim == 1 else fields[unknown][:, k]


def vector_of(name: str, operator: str, unknown: str | None, problem: Problem) -> str:
    """The vector whose divergence or vorticity is asked for."""
    space, vectors = len(problem.geometry.coordinates.space), problem.vectors
    if unknown is None and len(vectors) == 1:
        unknown = vectors[0]
    if unknown not in vectors:
        options = ", ".join(f"{v}.{operator}" for v in vectors) or "this problem has none"
        raise ValueError(f"{name!r} needs a vector with {space} components: {options}")
    if operator == "vorticity" and space > 3:
        raise ValueError(f"{name!r} needs 2 or 3 space coordinates, the problem has {space}")
    return unknown


def axes_of(name: str, text: str, problem: Problem) -> tuple[int, ...]:
    """The coordinates of a derivative such as `xy` or `x1.x2`."""
    known = problem.coordinates
    parts = [text] if text in known else text.split(".")
    if len(parts) == 1 and text not in known and all(len(c) == 1 for c in known):
        parts = list(text)
    for part in parts:
        if part not in known:
            operators = "laplacian, divergence or vorticity"
            raise ValueError(
                f"{name!r} is no derivative here: after the dot come coordinates of "
                f"({', '.join(known)}), or {operators}"
            )
    return tuple(known.index(part) for part in parts)


def plan_of(wanted: Sequence[NamedDerivative]) -> Plan:
    """The derivatives that some of them read."""
    return Plan(tuple(channel for each in wanted for channel in each.channels))
