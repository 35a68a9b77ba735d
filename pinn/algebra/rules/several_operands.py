"""Two or three operands element by element: `where`, extrema, `lerp`, `addcmul`, `hypot`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.arithmetic import (
    add,
    compose,
    divide,
    multiply,
    operands,
    series_of,
    subtract,
)
from pinn.algebra.rules.axes import named, refuse
from pinn.algebra.series import Series
from pinn.algebra.smooth import SMOOTH


def where(condition: Any, a: Any, b: Any) -> Series:
    """a where the condition holds, else b; the condition is a plain tensor."""
    jets = [o for o in (a, b) if isinstance(o, Series)]
    if isinstance(condition, Series) or any(condition.ndim > jet.value.ndim for jet in jets):
        raise refuse(
            "where",
            "with values in place of true and false, or more axes than one, as its condition",
        )
    _, a, b = operands(a, b)
    return add(masked(a, condition), masked(b, ~condition))


def masked(x: Series, condition: Tensor) -> Series:
    """x where the condition holds, else zero, whatever x is there."""
    zero = x.value.new_zeros(())
    return x.map(lambda s: torch.where(condition, s, zero))


def masked_fill(x: Series, mask: Tensor, value: float) -> Series:
    """A number where the mask holds, else x."""
    return where(~mask, x, value)


def extremum(name: str) -> Callable[..., Series]:
    """The rule of `maximum` or `minimum` of two tensors; a tie counts half, as in reverse mode."""
    larger = name == "maximum"

    def rule(a: Any, b: Any) -> Series:
        jets = [o for o in (a, b) if isinstance(o, Series)]
        home, a, b = operands(a, b)
        s, t = home.align(a.value.detach(), b.value.detach())
        if any(jet.value.ndim != max(s.ndim, t.ndim) for jet in jets):
            raise refuse(name, f"of shapes {tuple(s.shape)} and {tuple(t.shape)}")
        first = (s > t if larger else s < t).to(s.dtype) + 0.5 * (s == t)
        return add(a.map(lambda r: r * first), b.map(lambda r: r * (1 - first)))

    return rule


def lerp(a: Any, b: Any, weight: Any) -> Series:
    """a + w (b − a)."""
    return add(a, multiply(subtract(series_of(a, b, weight).operand(b), a), weight))


def addcmul(c: Any, a: Any, b: Any, *, value: float = 1) -> Series:
    """c + α a b."""
    return add(c, multiply(multiply(series_of(a, b, c).operand(a), b), value))


def addcdiv(c: Any, a: Any, b: Any, *, value: float = 1) -> Series:
    """c + α a / b."""
    home = series_of(a, b, c)
    return add(c, multiply(divide(home.operand(a), home.operand(b)), value))


def hypot(a: Any, b: Any) -> Series:
    """√(a² + b²)."""
    _, a, b = operands(a, b)
    return compose(add(multiply(a, a), multiply(b, b)), SMOOTH[torch.sqrt])


def atan2(y: Any, x: Any) -> Series:
    """The angle of (x, y):  arctan y/x where |x| > |y|, else −arctan x/y, and a constant."""
    home, y, x = operands(y, x)
    s, t = home.align(y.value.detach(), x.value.detach())
    steep = s.abs() > t.abs()
    # The unused quotient is taken of 0/1, so that it cannot divide by zero.
    flat = compose(divide(kept(y, ~steep), kept(x, ~steep, 1.0)), SMOOTH[torch.atan])
    upright = compose(divide(kept(x, steep), kept(y, steep, 1.0)), SMOOTH[torch.atan])
    turn = torch.atan2(s, t) - torch.where(steep, -upright.value.detach(), flat.value.detach())
    return add(subtract(flat, upright), home.like(turn, dict.fromkeys(home.streams)))


def kept(x: Series, condition: Tensor, otherwise: float = 0.0) -> Series:
    """x where the condition holds, else a number."""
    part = masked(x, condition)
    if not otherwise:
        return part
    rest = torch.where(condition, x.value.new_zeros(()), otherwise)
    return add(part, part.like(rest, dict.fromkeys(part.streams)))


BLEND: dict[Callable, Callable] = {
    **named(where, masked_fill, lerp, addcmul, addcdiv, hypot, atan2, arctan2=atan2),
    **named(**{name: extremum(name) for name in ("maximum", "minimum")}),
}
