"""Elementary functions of one variable and their derivatives, up to the fifth."""

import math
from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor

from pinn.algebra.terms import Derivatives, Terms, derivatives


def tanh(x: Tensor) -> Terms:
    """y = tanh x,  s = 1 − y²,  −2ys,  s(4 − 6s),  8ys(3s − 1),  s(120s² − 120s + 16)."""
    yield (y := torch.tanh(x))
    yield (s := 1 - y * y)
    yield -2 * y * s
    yield s * (4 - 6 * s)
    yield 8 * y * s * (3 * s - 1)
    yield s * (120 * s * (s - 1) + 16)


def turning(function: Callable, other: Callable, first: int, second: int) -> Derivatives:
    """f,  a g,  b f,  a b g,  f, …:  each other's derivative but for the sign."""

    def terms(x: Tensor) -> Terms:
        yield (y := function(x))
        yield (slope := signed(first, other(x)))
        yield signed(second, y)
        yield signed(second, slope)
        yield from (y, slope)

    return derivatives(terms)


def signed(sign: int, x: Tensor) -> Tensor:
    """±x."""
    return x if sign > 0 else -x


def tan(x: Tensor) -> Terms:
    """y = tan x,  s = 1 + y²,  2ys,  s(6s − 4),  8ys(3s − 1),  s(120s² − 120s + 16)."""
    yield (y := torch.tan(x))
    yield (s := 1 + y * y)
    yield 2 * y * s
    yield s * (6 * s - 4)
    yield 8 * y * s * (3 * s - 1)
    yield s * (120 * s * (s - 1) + 16)


def asin(x: Tensor) -> Terms:
    """arcsin x,  r = 1/√(1 − x²),  x r³,  r³(3x²r² + 1),  x r⁵(9 + 15x²r²), …"""
    yield torch.asin(x)
    yield from inverse_root(x, torch.rsqrt(1 - x * x), -1)


def acos(x: Tensor) -> Terms:
    """arccos x = π/2 − arcsin x."""
    yield torch.acos(x)
    for term in islice(asin(x), 1, None):
        yield -term


def atan(x: Tensor) -> Terms:
    """arctan x,  s = 1/(1 + x²),  −2x s²,  s²(6 − 8s),  24x s³(2s − 1), …"""
    yield torch.atan(x)
    yield from inverse_square(x, 1 / (1 + x * x), 1)


def atanh(x: Tensor) -> Terms:
    """artanh x,  s = 1/(1 − x²),  2x s²,  s²(8s − 6),  24x s³(2s − 1), …"""
    yield torch.atanh(x)
    yield from inverse_square(x, 1 / (1 - x * x), -1)


def inverse_square(x: Tensor, s: Tensor, sign: int) -> Terms:
    """s = 1/(1 ± x²) and its derivatives.

    ∓2x s²,  ±s²(6 − 8s),  24x s³(2s − 1),  s³(384s² − 480s + 120).
    """
    yield s
    square = sign * s * s
    yield -2 * x * square
    yield square * (6 - 8 * s)
    cube = s * s * s
    yield 24 * x * cube * (2 * s - 1)
    yield cube * (s * (384 * s - 480) + 120)


def asinh(x: Tensor) -> Terms:
    """arsinh x,  r = 1/√(x² + 1),  −x r³,  r³(3x²r² − 1),  x r⁵(9 − 15x²r²), …"""
    yield torch.asinh(x)
    yield from inverse_root(x, torch.rsqrt(x * x + 1))


def acosh(x: Tensor) -> Terms:
    """arcosh x,  r = 1/√(x² − 1),  −x r³,  r³(3x²r² − 1),  x r⁵(9 − 15x²r²), …"""
    yield torch.acosh(x)
    yield from inverse_root(x, torch.rsqrt(x * x - 1))


def inverse_root(x: Tensor, r: Tensor, sign: int = 1) -> Terms:
    """r = 1/√(c ± x²) and its derivatives.

    ∓x r³,  r³(3q ∓ 1),  x r⁵(9 ∓ 15q),  r⁵(9 ∓ 90q + 105q²)  with q = x²r².
    """
    yield r
    cube = r * r * r
    yield -sign * x * cube
    square = (x * r) ** 2
    yield cube * (3 * square - sign)
    fifth = cube * r * r
    yield x * fifth * (9 - 15 * sign * square)
    yield fifth * (9 + square * (105 * square - 90 * sign))


def exponential(function: Callable, base: float) -> Derivatives:
    """bˣ,  ln b bˣ,  ln²b bˣ, …"""

    def terms(x: Tensor) -> Terms:
        yield (y := function(x))
        rate = math.log(base)
        for k in range(1, 6):
            yield y if rate == 1 else rate**k * y

    return derivatives(terms)


def expm1(x: Tensor) -> Terms:
    """eˣ − 1,  eˣ,  eˣ, …"""
    yield torch.expm1(x)
    y = torch.exp(x)
    yield from (y, y, y, y, y)


def logarithm(function: Callable, base: float, shift: int = 0) -> Derivatives:
    """log_b x,  1/(x ln b),  −1/(x² ln b),  2/(x³ ln b), …;  x + shift for x."""

    def terms(x: Tensor) -> Terms:
        yield function(x)
        inverse = 1 / (x + shift if shift else x)
        yield (term := inverse if base == math.e else inverse / math.log(base))
        yield (term := -term * inverse)
        for k in range(2, 5):
            yield (term := -k * term * inverse)

    return derivatives(terms)


def sqrt(x: Tensor) -> Terms:
    """√x,  h = 1/(2√x),  −h/(2x),  3h/(4x²),  −15h/(8x³),  105h/(16x⁴)."""
    yield (y := torch.sqrt(x))
    yield (term := 0.5 / y)
    for k in range(4):
        yield (term := -(k + 0.5) * term / x)


def rsqrt(x: Tensor) -> Terms:
    """y = 1/√x,  −y³/2,  3y⁵/4,  −15y⁷/8,  105y⁹/16,  −945y¹¹/32."""
    yield (y := torch.rsqrt(x))
    square, term = y * y, y
    for k in range(5):
        yield (term := -(k + 0.5) * term * square)


def reciprocal(x: Tensor) -> Terms:
    """y = 1/x,  −y²,  2y³,  −6y⁴,  24y⁵,  −120y⁶."""
    yield (y := 1 / x)
    yield (term := -y * y)
    for k in range(2, 6):
        yield (term := -k * term * y)


def erf(x: Tensor) -> Terms:
    """erf x,  g = 2/√π e^(−x²),  −2x g,  (4x² − 2) g,  (12 − 8x²) x g,  (16x⁴ − 48x² + 12) g."""
    yield torch.erf(x)
    square = x * x
    yield (g := (2 / math.sqrt(math.pi)) * torch.exp(-square))
    yield -2 * x * g
    yield (4 * square - 2) * g
    yield (12 - 8 * square) * x * g
    yield (square * (16 * square - 48) + 12) * g


def erfc(x: Tensor) -> Terms:
    """erfc x = 1 − erf x."""
    yield torch.erfc(x)
    for term in islice(erf(x), 1, None):
        yield -term


def power(exponent: float | Tensor) -> Derivatives:
    """xⁿ,  n xⁿ⁻¹,  n(n − 1) xⁿ⁻²,  n(n − 1)(n − 2) xⁿ⁻³, …

    A factor 0 would meet x^(negative) = ∞ at x = 0: those terms are zero.
    """

    def terms(x: Tensor) -> Terms:
        yield torch.pow(x, exponent)
        factor = exponent
        for k in range(1, 6):
            if isinstance(factor, Tensor):
                yield factor * torch.pow(x, torch.where((factor == 0) & (x == 0), 0, exponent - k))
            else:
                yield factor * torch.pow(x, 0 if factor == 0 else exponent - k)
            factor = factor * (exponent - k)

    return derivatives(terms)
