"""Quantities by name: `u.x` is ∂u/∂x, `u.xy` is ∂²u/∂x∂y, `vorticity` is ∇×u.

<component>.<coordinates>     a partial derivative; dots between longer names: u.x1.x2
<component>.laplacian         ∇² of it
<unknown>.divergence          ∇· of a vector, <unknown>.vorticity its ∇×; without the unknown's
name where there is one vector with as many components as axes
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pinn.algebra.channels import HIGHEST, Channel, Plan, first, laplace, order
from pinn.fields import Field, partial
from pinn.messages import near_miss
from pinn.operators import curl, div, laplacian
from pinn.problem import Fields, Problem

OF_VECTORS = {"divergence": div, "vorticity": curl}


@dataclass(frozen=True)
class Quantity:
    """What is computed from the unknowns.

    Args:
        name: as asked for.
        unknown: what it is computed from.
        component: of which component of it; None for all.
        operator: divergence, vorticity, laplacian or partial.
        axes: along which a partial derivative is taken.
    """

    name: str
    unknown: str
    component: int | None
    operator: str
    axes: tuple[int, ...] = ()

    def channels(self, space: tuple[int, ...]) -> tuple[Channel, ...]:
        """The derivatives it reads."""
        if self.operator == "partial":
            return (((*sorted(self.axes),),),)
        if self.operator == "laplacian":
            return (laplace(space),)
        return tuple(first(i) for i in space)

    def of(self, fields: Fields) -> Field:
        """The quantity from the unknowns: (N,), or (N, 3) for a vorticity in space."""
        field = fields[self.unknown]
        if self.operator in OF_VECTORS:
            return OF_VECTORS[self.operator](field)
        if self.component is not None and field.ndim > 1:
            field = field[:, self.component]
        if self.operator == "laplacian":
            return laplacian(field)
        for axis in self.axes:
            field = partial(field, axis)
        return field


def quantities(names: Sequence[str], problem: Problem, taken: int) -> list[Quantity]:
    """Quantities by name.

    Args:
        names: such as ("vorticity", "u.x").
        problem: its unknowns and coordinates.
        taken: the orders of differentiation that its ansatz takes.

    Raises:
        ValueError: a name means nothing here, or a derivative of too high an order.
    """
    names = (names,) if isinstance(names, str) else names
    found = [quantity(name, problem) for name in names]
    for each in found:
        highest = max(order(c) for c in each.channels(problem.geometry.coordinates.space))
        if highest + taken > HIGHEST:
            because = f", and the ansatz takes {taken}" if taken else ""
            raise ValueError(
                f"{each.name!r} is a derivative of order {highest}: at most {HIGHEST} are offered"
                f"{because}"
            )
    return found


def quantity(name: str, problem: Problem) -> Quantity:
    """A quantity by its name.

    Raises:
        ValueError: it means nothing for this problem.
    """
    stem, _, rest = name.partition(".")
    if name in OF_VECTORS:
        return of_vector(name, name, None, problem)
    if rest in OF_VECTORS:
        return of_vector(name, rest, stem, problem)
    places = problem.component_places
    if stem not in places:
        raise ValueError(f"{name!r} is no quantity here: {near_miss(stem, places)}")
    unknown, component = places[stem]
    if rest == "laplacian":
        return Quantity(name, unknown, component, rest)
    return Quantity(name, unknown, component, "partial", axes_of(name, rest, problem))


def of_vector(name: str, operator: str, unknown: str | None, problem: Problem) -> Quantity:
    """A divergence or vorticity."""
    space = len(problem.geometry.coordinates.space)
    vectors = [n for n in problem.unknowns if len(problem.components(n)) == space > 1]
    if unknown is None and len(vectors) == 1:
        unknown = vectors[0]
    if unknown not in vectors:
        options = ", ".join(f"{v}.{operator}" for v in vectors) or "this problem has none"
        raise ValueError(f"{name!r} needs a vector with {space} components: {options}")
    if operator == "vorticity" and space > 3:
        raise ValueError(f"{name!r} needs 2 or 3 space coordinates, the problem has {space}")
    return Quantity(name, unknown, None, operator)


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
                f"{name!r} is no quantity here: after the dot come coordinates of "
                f"({', '.join(known)}), or {operators}"
            )
    return tuple(known.index(part) for part in parts)


def plan_of(found: Sequence[Quantity], problem: Problem) -> Plan:
    """The derivatives that some quantities read."""
    space = problem.geometry.coordinates.space
    return Plan(tuple(c for each in found for c in each.channels(space)))
