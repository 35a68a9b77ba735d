"""A residual is a named method on regions:  r(x) = 0 wherever its equation holds."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pinn.base.messages import check_name
from pinn.fields.field import Field, vector
from pinn.fields.normals import dn

Method = TypeVar("Method", bound=Callable)


@dataclass(frozen=True)
class Residual:
    """One equation or condition of a problem.

    Args:
        name: the method's name; the tag in TensorBoard, the key of its weight, its metric.
        regions: where it holds.
        arguments: what it asks for, by parameter name; with a partner the unknowns it compares.
        partner: the face that the region is compared with, point by point; mostly there is none.
    """

    name: str
    regions: tuple[str, ...]
    arguments: tuple[str, ...]
    partner: str = ""


def on(*regions: str) -> Callable[[Method], Method]:
    """Declare a method as a residual on named regions.

    The method asks by parameter name for unknowns, coordinates (`x`, `y`, `t`), `at` (all of them),
    `normal`, or a data column of its region, and returns a field that should vanish: (N,) or
    (N, C). Its loss is the mean over points of w |r|², with the problem's importance w.

    Raises:
        TypeError: no region is named, it is no method, or one of this class has the same name.
    """
    if not regions or not all(isinstance(region, str) for region in regions):
        raise TypeError('@on needs the name of a region, such as @on("interior")')

    def declare(method: Method) -> Method:
        name = getattr(method, "__name__", "a residual")
        if not inspect.isfunction(method):
            kind = type(method).__name__
            raise TypeError(
                f"@on is put on {name}, a {kind}: put it on a method, def name(self, …)"
            )
        # The body of the class, where a second method of that name would replace the first.
        frame = inspect.currentframe()
        body = frame.f_back.f_locals if frame is not None and frame.f_back is not None else {}
        if "__module__" in body and hasattr(body.get(name), "_regions"):
            raise TypeError(
                f"residual {name!r} is defined twice in {body.get('__qualname__', 'one class')}: "
                "the second would replace the first; rename one"
            )
        method._regions = regions  # type: ignore[attr-defined]
        return method

    return declare


def periodic(one: str, other: str, *unknowns: str) -> Any:
    """A residual that makes the solution periodic:  u(x) = u(x + d),  ∂u/∂n(x) = n·∇u(x + d).

        class Duct(Problem):
            sides = periodic("left", "right")
            velocity_only = periodic("front", "back", "u")

    The points x are those of one face, x + d lie on the other; both have the normal n of the first.
    The faces may have any form, if one is the other, moved by d. An embedding `Periodic` meets the
    same condition exactly, but only between opposite sides of a box.

    Args:
        one: the face whose points are taken; the name of the residual's region.
        other: the face that it is compared with.
        *unknowns: what is compared, by name; by default every unknown.

    Raises:
        TypeError: a face is no name, or there is one alone.
    """
    if not all(isinstance(name, str) for name in (one, other, *unknowns)) or one == other:
        raise TypeError(
            f"periodic({one!r}, {other!r}) needs the names of two faces, such as "
            'periodic("left", "right"), and then those of unknowns'
        )

    def compared(self: Any, here: Mapping[str, Field], there: Mapping[str, Field]) -> Field:
        """Values and normal derivatives of some unknowns, less those of the partners."""
        parts = []
        for name, f in here.items():
            for jump in (f - there[name], dn(f) - dn(there[name])):
                parts += [jump] if jump.ndim == 1 else [jump[:, k] for k in range(jump.shape[1])]
        return vector(*parts)

    compared._regions, compared._partner = (one,), (other, unknowns)  # type: ignore[attr-defined]
    return compared


def collect(cls: type, base: type, known: Iterable[str]) -> tuple[Residual, ...]:
    """The residuals of a problem class, base classes first, in the order of definition.

    Args:
        cls: the class.
        base: `Problem`, whose methods no residual may replace.
        known: what a residual may ask for.

    Raises:
        TypeError: a parameter is no unknown, coordinate, `at`, `normal` or data column, or a name
            is that of a method which the problem needs.
    """
    names: dict[str, None] = {}
    for each in reversed(cls.__mro__):
        names.update(dict.fromkeys(n for n, m in vars(each).items() if hasattr(m, "_regions")))
    kept = [name for name in names if is_residual(cls, name)]
    return tuple(describe(cls, base, name, tuple(known)) for name in kept)


def is_residual(cls: type, name: str) -> bool:
    """Whether the class still has this residual; a subclass drops one by setting it to None.

    Raises:
        TypeError: a plain method took its place, which would drop the equation in silence.
    """
    method = getattr(cls, name)
    if method is not None and not hasattr(method, "_regions"):
        raise TypeError(
            f"{cls.__name__}.{name} replaces a residual without saying where it holds: decorate "
            "it with @on(region), or set it to None to drop it"
        )
    return method is not None


def describe(cls: type, base: type, name: str, known: tuple[str, ...]) -> Residual:
    """One residual, its parameters checked against the names that exist."""
    method: Any = getattr(cls, name)
    for each in base.__mro__[:-1]:
        if callable(vars(each).get(name)):
            raise TypeError(
                f"residual {name!r} of {cls.__name__} has the name of a method that "
                f"{each.__name__} needs: rename it"
            )
    if hasattr(method, "_partner"):
        partner, chosen = method._partner
        for unknown in chosen:
            line = f"{cls.__name__}.{name} compares {unknown!r}, which is no unknown"
            check_name(unknown, cls.unknowns, line, TypeError)  # type: ignore[attr-defined]
        compared = chosen or tuple(cls.unknowns)  # type: ignore[attr-defined]
        return Residual(name, method._regions, compared, partner)
    arguments = tuple(inspect.signature(method).parameters)[1:]
    for argument in arguments:
        check_name(argument, known, f"{cls.__name__}.{name} asks for {argument!r}", TypeError)
    return Residual(name, method._regions, arguments)
