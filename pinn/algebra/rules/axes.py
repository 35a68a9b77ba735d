"""Which axes a rule may touch: those of features, counted from the right, never those of points."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F

from pinn.algebra.no_rule import NoRuleError, PointsError
from pinn.algebra.series import Series

HOMES = (torch, torch.Tensor, F, torch.special, torch.linalg)


def named(*rules: Callable, **others: Callable) -> dict[Callable, Callable]:
    """Rules by torch's functions: wherever torch has the name, as a function or as a method.

    Args:
        *rules: each by its own name.
        **others: those that torch calls otherwise.
    """
    by_name = {rule.__name__: rule for rule in rules} | others
    return {
        getattr(home, name): rule
        for name, rule in by_name.items()
        for home in HOMES
        if callable(getattr(home, name, None))
    }


def refuse(name: str, why: str) -> NoRuleError:
    """The error of a function that has a rule, but not for these arguments."""
    return NoRuleError(f"{name} {why} has no derivative rule")


def width(x: Series) -> int:
    """How many axes hold features."""
    return x.value.ndim - x.lead


def feature_axis(x: Series, dim: Any, name: str, new: int = 0) -> int:
    """An axis of features as a negative number, valid whatever is stacked in front.

    Args:
        x: the argument.
        dim: the axis as torch is given it.
        name: the function, for the message.
        new: 1 where the axis is being made.

    Raises:
        NoRuleError: it is a point axis, or no single axis at all.
    """
    ndim = x.value.ndim + new
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise PointsError(name, f"over dim={dim}, which would take in the points,")
    if not -ndim <= dim < ndim:
        raise IndexError(f"{name}: dim={dim} of a tensor with {ndim} axes")
    if dim % ndim < x.lead:
        raise PointsError(name, f"along the point axis {dim}")
    return dim % ndim - ndim


def feature_axes(x: Series, dims: Any, name: str) -> tuple[int, ...]:
    """Several axes of features as negative numbers."""
    if not isinstance(dims, Iterable) or not (chosen := tuple(dims)):
        return (feature_axis(x, dims, name),)
    return tuple(feature_axis(x, dim, name) for dim in chosen)


def along(name: str, new: int = 0) -> Callable[..., Series]:
    """The rule of a linear function along one axis of features: the same on every stream."""
    function = getattr(torch.Tensor, name)

    def rule(x: Series, dim: int, *arguments: Any, **more: Any) -> Series:
        axis = feature_axis(x, dim, name, new)
        return x.map(lambda s: function(s, axis, *arguments, **more))

    return rule


def out_of_place(name: str, rule: Callable[..., Series]) -> Callable[..., Series]:
    """The rule of a function that can write to its argument; `inplace=True` is refused."""

    def run(x: Series, *arguments: Any, inplace: bool = False, **more: Any) -> Series:
        if inplace:
            raise refuse(name, "with inplace=True")
        return rule(x, *arguments, **more)

    return run


def sizes(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes or axes given one by one or as one sequence."""
    if len(arguments) == 1 and isinstance(arguments[0], tuple | list | torch.Size):
        return tuple(arguments[0])
    return arguments


def keep_points(x: Series, shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The sizes behind the points of a shape that has to begin with those of x.

    Raises:
        NoRuleError: it begins with something else; −1 and 1 pass where `name` reads them so.
    """
    points = tuple(x.value.shape[: x.lead])
    if tuple(shape[: x.lead]) != points:
        raise refuse(name, f"to {shape}, which does not begin with the points {points},")
    return shape[x.lead :]
