"""A residual is a named method on regions:  r(x) = 0 wherever its equation holds."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pinn.base.messages import check_name

Method = TypeVar("Method", bound=Callable)


@dataclass(frozen=True)
class Residual:
    """One equation or condition of a problem.

    Args:
        name: the method's name; the tag in TensorBoard, the key of its weight, its metric.
        regions: where it holds.
        arguments: what it asks for, by parameter name.
    """

    name: str
    regions: tuple[str, ...]
    arguments: tuple[str, ...]


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
    arguments = tuple(inspect.signature(method).parameters)[1:]
    for argument in arguments:
        check_name(argument, known, f"{cls.__name__}.{name} asks for {argument!r}", TypeError)
    return Residual(name, method._regions, arguments)
