"""Functions of fields that are put together from pieces: conditions, `where`, steps, tables.

A condition is 1 where it holds, else 0. Its derivative is zero, which is right away from the jump.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel
from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rules.arithmetic import divide, multiply, operands, series_of, subtract
from pinn.algebra.rules.axes import named
from pinn.algebra.rules.kinks import clamp
from pinn.algebra.rules.several_operands import extremum
from pinn.algebra.series import Series, derivative, shared


def compared(function: Callable, a: Any, b: Any) -> Any:
    """A comparison at every point, as a condition."""
    home, a, b = operands(a, b)
    s, t = home.align(a.value.detach(), b.value.detach())
    return home.mask(function(s, t), shared(a.streams, b.streams))


def is_mask(given: Any) -> bool:
    """Whether a series is a condition."""
    return bool(getattr(given, "is_condition", False))


def condition(home: Any, given: Any) -> Any:
    """A condition beside a field: of fields, or of plain boolean values.

    Raises:
        TypeError: it is none.
    """
    if isinstance(given, bool):
        given = torch.tensor(given)
    if isinstance(given, Tensor) and given.dtype == torch.bool:
        if given.ndim == 0:
            return home.still(given, False)
        if len(given) != len(home.value):
            raise TypeError(
                f"a condition of shape {tuple(given.shape)} meets a field at {len(home.value)} "
                "points"
            )
        return home.at_points(given)
    if not is_mask(given):
        raise TypeError(
            f"{type(given).__name__} is no condition: compare, as in (x < 0.5) & (y < 0.5), with "
            "parentheses"
        )
    return given


def joined_masks(function: Callable, a: Any, b: Any) -> Any:
    """Two conditions joined by `and`, `or` or `xor`."""
    home: Any = series_of(a, b)
    a, b = condition(home, a), condition(home, b)
    home = series_of(a, b)
    s, t = home.align(a.value, b.value)
    return home.mask(function(s != 0, t != 0), shared(a.streams, b.streams))


def using(rule: Callable, function: Callable) -> Callable[[Any, Any], Any]:
    """A rule of two operands with one of torch's functions, such as `torch.lt`."""
    return lambda a, b: rule(function, a, b)


both, either = using(joined_masks, torch.logical_and), using(joined_masks, torch.logical_or)
exclusive = using(joined_masks, torch.logical_xor)


def negated(mask: Any) -> Any:
    """A condition that holds where another does not."""
    mask = condition(mask, mask)
    return mask.mask(mask.value == 0, mask.streams)


def where(chosen: Any, a: Any, b: Any) -> Any:
    """a where a condition holds, else b, with the derivatives of each on its side.

    Raises:
        TypeError: the first is no condition.
        ValueError: a and b differ in the shape they have at a point.
    """
    home: Any = series_of(chosen, a, b)
    chosen = condition(home, chosen)
    a, b = home.operand(a), home.operand(b)
    home = series_of(chosen, a, b)
    check_alike(a, b)
    ndim = max(part.value.ndim for part in (chosen, a, b))
    if ndim > chosen.value.ndim > 1:
        raise ValueError(
            f"a condition of shape {tuple(chosen.value.shape)} meets values with more axes: "
            "compare one component, as in u[:, 0] > 0"
        )

    def pick(s: Tensor, t: Tensor) -> Tensor:
        s, t, c = (r.reshape(r.shape + (1,) * (ndim - r.ndim)) for r in (s, t, chosen.value != 0))
        return torch.where(c, s, t)

    value = pick(a.value, b.value)
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(chosen.streams, a.streams, b.streams):
        sides = [derivative(part.streams, channel) for part in (a, b)]
        s, t = (value.new_zeros(()) if side is None else side for side in sides)
        vanishes = all(side is None for side in sides)
        streams[channel] = None if vanishes else torch.broadcast_to(pick(s, t), value.shape)
    return home.like(value, streams)


def check_alike(a: Series, b: Series) -> None:
    """Refuse a scalar beside a vector.

    Raises:
        ValueError: the two differ in the shape they have at a point.
    """
    shapes = [tuple(part.value.shape[1:]) for part in (a, b) if part.value.ndim]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"where of shapes {shapes[0]} and {shapes[1]} per point has no meaning: give both "
            "the same"
        )


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """A number where a condition holds, else x."""
    return where(mask, value, x)


def heaviside(x: Any, values: Any) -> Any:
    """0 for x < 0, 1 for x > 0, and `values` at x = 0."""
    return where(compared(torch.gt, x, 0.0), 1.0, where(compared(torch.lt, x, 0.0), 0.0, values))


def bucketize(x: Any, boundaries: Tensor, *, right: bool = False, **_: Any) -> Any:
    """The number of the interval that x lies in; an index into a table of values."""
    interval = torch.bucketize(x.value.detach().contiguous(), boundaries.to(x.value), right=right)
    return x.like(interval.to(x.value.dtype), dict.fromkeys(x.streams))


def looked_up(table: Tensor, index: Any) -> Any:
    """table[index] with an index from `bucketize`: a value per interval, parameters included.

    Raises:
        NoRuleError: the index is no single field.
    """
    if not isinstance(index, Series):
        raise NoRuleError("indexing a tensor by fields and other things has no meaning")
    rows: Any = table[index.value.round().long()]
    return index.like(rows.to(index.value.dtype), dict.fromkeys(index.streams))


def bounded(x: Any, min: Any = None, max: Any = None) -> Any:
    """x within bounds, which may be fields, parameters or tuples."""
    numbers = all(bound is None or isinstance(bound, int | float) for bound in (min, max))
    if numbers and isinstance(x, Series):
        return clamp(x, min, max)
    x = x if min is None else extremum("maximum")(x, min)
    return x if max is None else extremum("minimum")(x, max)


def remainder(a: Any, b: Any) -> Any:
    """a − b ⌊a/b⌋, whose derivative is that of a where it does not jump."""
    return subtract(a, multiply(floor_divide(a, b), b))


def floor_divide(a: Any, b: Any) -> Any:
    """⌊a/b⌋, piecewise constant."""
    quotient = divide(a, b)
    return quotient.like(torch.floor(quotient.value.detach()), dict.fromkeys(quotient.streams))


COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne", "less", "less_equal", "greater",
               "greater_equal", "not_equal", "isclose")  # fmt: skip
PIECEWISE: dict[Callable, Callable] = {
    **named(**{name: using(compared, getattr(torch, name)) for name in COMPARISONS}),
    **named(**dict.fromkeys(("logical_and", "bitwise_and", "__and__", "__rand__"), both)),
    **named(**dict.fromkeys(("logical_or", "bitwise_or", "__or__", "__ror__"), either)),
    **named(logical_xor=exclusive),
    **named(logical_not=negated, bitwise_not=negated, clamp=bounded, clip=bounded),
    **named(where, masked_fill, heaviside, bucketize, remainder, floor_divide),
    **named(
        clamp_min=lambda x, min: bounded(x, min=min), clamp_max=lambda x, max: bounded(x, max=max)
    ),
    torch.Tensor.__getitem__: looked_up,
}
