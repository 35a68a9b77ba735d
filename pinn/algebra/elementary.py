"""Elementary functions of one variable and their derivatives, up to the third."""

import math
from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor

from pinn.algebra.terms import Derivatives, Terms, derivatives


def tanh(x: Tensor) -> Terms:
    """y = tanh x,  s = 1 − y²,  −2ys,  s(6y² − 2) = s(4 − 6s)."""
    yield (y := torch.tanh(x))
    yield (s := 1 - y * y)
    yield -2 * y * s
    yield s * (4 - 6 * s)


def turning(function: Callable, other: Callable, first: int, second: int) -> Derivatives:
    """f,  a g,  b f,  a b g:  two functions that are each other's derivative, but for the signs."""

    def terms(x: Tensor) -> Terms:
        yield (y := function(x))
        yield (slope := signed(first, other(x)))
        yield signed(second, y)
        yield signed(second, slope)

    return derivatives(terms)


def signed(sign: int, x: Tensor) -> Tensor:
    """±x."""
    return x if sign > 0 else -x


def tan(x: Tensor) -> Terms:
    """y = tan x,  s = 1 + y²,  2ys,  2s(1 + 3y²)."""
    yield (y := torch.tan(x))
    yield (s := 1 + y * y)
    yield 2 * y * s
    yield s * (6 * s - 4)


def asin(x: Tensor) -> Terms:
    """arcsin x,  r = 1/√(1 − x²),  x r³,  r³(3x²r² + 1)."""
    yield torch.asin(x)
    yield from inverse_root(x, torch.rsqrt(1 - x * x), -1)


def acos(x: Tensor) -> Terms:
    """arccos x = π/2 − arcsin x."""
    yield torch.acos(x)
    for term in islice(asin(x), 1, None):
        yield -term


def atan(x: Tensor) -> Terms:
    """arctan x,  s = 1/(1 + x²),  −2x s²,  s²(6 − 8s)."""
    yield torch.atan(x)
    yield from inverse_square(x, 1 / (1 + x * x), 1)


def atanh(x: Tensor) -> Terms:
    """artanh x,  s = 1/(1 − x²),  2x s²,  s²(8s − 6)."""
    yield torch.atanh(x)
    yield from inverse_square(x, 1 / (1 - x * x), -1)


def inverse_square(x: Tensor, s: Tensor, sign: int) -> Terms:
    """s = 1/(1 ± x²) and its derivatives  ∓2x s²,  ±s²(6 − 8s)."""
    yield s
    square = sign * s * s
    yield -2 * x * square
    yield square * (6 - 8 * s)


def asinh(x: Tensor) -> Terms:
    """arsinh x,  r = 1/√(x² + 1),  −x r³,  r³(3x²r² − 1)."""
    yield torch.asinh(x)
    yield from inverse_root(x, torch.rsqrt(x * x + 1))


def acosh(x: Tensor) -> Terms:
    """arcosh x,  r = 1/√(x² − 1),  −x r³,  r³(3x²r² − 1)."""
    yield torch.acosh(x)
    yield from inverse_root(x, torch.rsqrt(x * x - 1))


def inverse_root(x: Tensor, r: Tensor, sign: int = 1) -> Terms:
    """r = 1/√(c ± x²) and its derivatives  ∓x r³,  r³(3x²r² ∓ 1)."""
    yield r
    cube = r * r * r
    yield -sign * x * cube
    yield cube * (3 * (x * r) ** 2 - sign)


def exponential(function: Callable, base: float) -> Derivatives:
    """bˣ,  ln b bˣ,  ln²b bˣ, …"""

    def terms(x: Tensor) -> Terms:
        yield (y := function(x))
        rate = math.log(base)
        for k in range(1, 4):
            yield y if rate == 1 else rate**k * y

    return derivatives(terms)


def expm1(x: Tensor) -> Terms:
    """eˣ − 1,  eˣ,  eˣ,  eˣ."""
    yield torch.expm1(x)
    y = torch.exp(x)
    yield from (y, y, y)


def logarithm(function: Callable, base: float, shift: int = 0) -> Derivatives:
    """log_b x,  1/(x ln b),  −1/(x² ln b),  2/(x³ ln b);  x + shift for x."""

    def terms(x: Tensor) -> Terms:
        yield function(x)
        inverse = 1 / (x + shift if shift else x)
        yield (slope := inverse if base == math.e else inverse / math.log(base))
        yield (curvature := -slope * inverse)
        yield -2 * curvature * inverse

    return derivatives(terms)


def sqrt(x: Tensor) -> Terms:
    """√x,  h = 1/(2√x),  −h/(2x),  3h/(4x²)."""
    yield (y := torch.sqrt(x))
    yield (h := 0.5 / y)
    yield (curvature := -0.5 * h / x)
    yield -1.5 * curvature / x


def rsqrt(x: Tensor) -> Terms:
    """y = 1/√x,  −y³/2,  3y⁵/4,  −15y⁷/8."""
    yield (y := torch.rsqrt(x))
    square = y * y
    yield (slope := -0.5 * y * square)
    yield (curvature := -1.5 * slope * square)
    yield -2.5 * curvature * square


def reciprocal(x: Tensor) -> Terms:
    """y = 1/x,  −y²,  2y³,  −6y⁴."""
    yield (y := 1 / x)
    yield (slope := -y * y)
    yield (curvature := -2 * slope * y)
    yield -3 * curvature * y


def erf(x: Tensor) -> Terms:
    """erf x,  g = 2/√π e^(−x²),  −2x g,  (4x² − 2) g."""
    yield torch.erf(x)
    square = x * x
    yield (g := (2 / math.sqrt(math.pi)) * torch.exp(-square))
    yield -2 * x * g
    yield (4 * square - 2) * g


def erfc(x: Tensor) -> Terms:
    """erfc x = 1 − erf x."""
    yield torch.erfc(x)
    for term in islice(erf(x), 1, None):
        yield -term


def power(exponent: float | Tensor) -> Derivatives:
    """xⁿ,  n xⁿ⁻¹,  n(n − 1) xⁿ⁻²,  n(n − 1)(n − 2) xⁿ⁻³.

    A factor 0 would meet x^(negative) = ∞ at x = 0: those terms are zero.
    """

    def terms(x: Tensor) -> Terms:
        yield torch.pow(x, exponent)
        factor = exponent
        for k in range(1, 4):
            if isinstance(factor, Tensor):
                yield factor * torch.pow(x, torch.where((factor == 0) & (x == 0), 0, exponent - k))
            else:
                yield factor * torch.pow(x, 0 if factor == 0 else exponent - k)
            factor = factor * (exponent - k)

    return derivatives(terms)
