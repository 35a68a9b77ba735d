"""Sums, products, quotients and powers of series, and of a series with a constant."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.deferred import Later
from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rows import Rows, is_alike
from pinn.algebra.rules.axes import named
from pinn.algebra.series import Series, chained, composition, product, total
from pinn.algebra.smooth import SMOOTH, Derivatives, power


def series_of(*operands: Any) -> Series:
    """The series among the operands that decides how the others are read: no mere constant."""
    return max((o for o in operands if isinstance(o, Series)), key=lambda series: series.rank)


def operands(*given: Any) -> tuple[Any, ...]:
    """The series that speaks for the result, and then every operand as a series."""
    home = series_of(*given)
    parts = [home.operand(part) for part in given]
    return series_of(*parts), *parts


def compose(f: Series, derivatives: Derivatives) -> Series:
    """σ(f)."""
    if f.is_later:
        later = Later(lambda: compose(f, derivatives).streams, f.made)
        return f.like(derivatives(f.value, 0)[0], later)
    return f.like(*composition(f, derivatives))


def combine(operation: Callable, torch_function: Callable, a: Any, b: Any) -> Series:
    """One of the binary operations of `series` on two operands, at least one of them a series."""
    home = series_of(a, b)
    a, b = home.operand(a), home.operand(b)
    home = series_of(a, b)

    def aligned(s: Tensor, t: Tensor) -> Tensor:
        return torch_function(*home.align(s, t))

    if a.is_later or b.is_later:
        later = Later(lambda: home.like(*operation(a, b, aligned)).streams, a.made, b.made)
        return home.like(aligned(a.value, b.value), later)
    return home.like(*operation(a, b, aligned))


def bilinear(function: Callable, a: Series, b: Series) -> Series:
    """A product of two series that broadcasts over leading axes, such as `torch.matmul`."""
    return a.like(*product(a, b, function))


def add(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """a + αb."""
    b = b if alpha == 1 else multiply(series_of(a, b).operand(b), alpha)
    simple = shifted(a, b)
    return combine(total, torch.add, a, b) if simple is None else simple


def shifted(a: Any, b: Any) -> Series | None:
    """a + b where that touches the value only, or all rows alike; None where it does not."""
    home = series_of(a, b)
    other = home.operand(b if home is a else a)
    if type(home).align is not Series.align or home.is_later or other.is_later:
        return None
    rows: Any = home.streams
    more: Any = other.streams
    if not isinstance(rows, Rows):
        return None
    if is_alike(rows, more) and home.value.shape == other.value.shape:
        return home.like(None, Rows(rows.channels, None, rows.zeros, rows.whole + more.whole))
    if any(s is not None for s in more.values()):
        return None
    value = home.value + other.value
    if value.shape != home.value.shape:
        return None
    return home.like(value, Rows(rows.channels, rows.rest, rows.zeros))


def reflected(rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A rule with its operands exchanged, as `2 - u` asks for."""
    return lambda a, b: rule(b, a)


def is_constant(home: Series, other: Any) -> bool:
    """Whether a network multiplies by a plain tensor; a field would have to line up its points."""
    return type(home).align is Series.align and isinstance(other, Tensor)


def is_plain(other: Any) -> bool:
    """Whether an operand is a number that torch takes as it is."""
    return isinstance(other, float) or (isinstance(other, int) and abs(other) < 2**63)


def subtract(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """a − αb."""
    return add(a, series_of(a, b).operand(b).map(torch.neg), alpha=alpha)


def multiply(a: Any, b: Any) -> Any:
    """a b."""
    home = series_of(a, b)
    other = b if home is a else a
    if is_plain(other):  # the common case needs no Leibniz rule
        return home.map(lambda s: s * other)
    if is_constant(home, other) and other.ndim <= home.value.ndim:
        return home.map(lambda s: s * other)
    return combine(product, torch.mul, a, b)


def divide(a: Any, b: Any) -> Any:
    """a / b."""
    if is_plain(b):
        return a.map(lambda s: s / b)
    return multiply(a, compose(series_of(a, b).operand(b), SMOOTH[torch.reciprocal]))


def raise_to(base: Any, exponent: Any) -> Any:
    """base^exponent; a series as exponent is read as exp(exponent · ln base)."""
    if is_plain(exponent):
        return compose(base, power(exponent))
    if not isinstance(exponent, Series):
        given = base.operand(exponent)
        n = given.value
        if given.rank >= 0:  # values per point, whose derivative is unknown
            return given.like(torch.pow(*base.align(base.value, n)), {})
        if n.ndim > base.ndim:
            raise NoRuleError("an exponent with more axes than its base has no derivative rule")
        if n.requires_grad:  # the fused rule would not see the exponent
            return base.like(*chained(base, power(n)))
        return compose(base, power(n))
    log = compose(exponent.operand(base), SMOOTH[torch.log])
    return compose(multiply(exponent, log), SMOOTH[torch.exp])


ARITHMETIC: dict[Callable, Callable] = {
    **named(add=add, sub=subtract, mul=multiply, div=divide, pow=raise_to, __pow__=raise_to),
    **named(
        __rsub__=reflected(subtract), __rtruediv__=reflected(divide), __rpow__=reflected(raise_to)
    ),
    torch.neg: lambda x: x.map(torch.neg),
}
