"""Derivatives of smooth functions of one variable: (σ, σ′, σ″) from σ's argument.

Each function takes the argument and the order k ≤ 2 it is asked for, and returns k + 1 tensors.
They are written so that a derivative reuses the value: one transcendental call per function.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pinn.algebra.series import Derivatives

Smooth = tuple[Tensor, ...]


def tanh(x: Tensor, order: int) -> Smooth:
    """tanh,  1 − tanh²,  −2 tanh (1 − tanh²)."""
    y = torch.tanh(x)
    if order == 0:
        return (y,)
    slope = 1 - y * y
    return (y, slope) if order == 1 else (y, slope, -2 * y * slope)


def sin(x: Tensor, order: int) -> Smooth:
    """sin,  cos,  −sin."""
    y = torch.sin(x)
    return (y,) if order == 0 else (y, torch.cos(x), -y)


def cos(x: Tensor, order: int) -> Smooth:
    """cos,  −sin,  −cos."""
    y = torch.cos(x)
    return (y,) if order == 0 else (y, -torch.sin(x), -y)


def tan(x: Tensor, order: int) -> Smooth:
    """tan,  1 + tan²,  2 tan (1 + tan²)."""
    y = torch.tan(x)
    slope = 1 + y * y
    return (y, slope, 2 * y * slope)


def sinh(x: Tensor, order: int) -> Smooth:
    """sinh,  cosh,  sinh."""
    y = torch.sinh(x)
    return (y, torch.cosh(x), y)


def cosh(x: Tensor, order: int) -> Smooth:
    """cosh,  sinh,  cosh."""
    y = torch.cosh(x)
    return (y, torch.sinh(x), y)


def exp(x: Tensor, order: int) -> Smooth:
    """eˣ, three times."""
    y = torch.exp(x)
    return (y, y, y)


def expm1(x: Tensor, order: int) -> Smooth:
    """eˣ − 1,  eˣ,  eˣ."""
    y = torch.exp(x)
    return (torch.expm1(x), y, y)


def log(x: Tensor, order: int) -> Smooth:
    """ln x,  1/x,  −1/x²."""
    slope = 1 / x
    return (torch.log(x), slope, -slope * slope)


def log1p(x: Tensor, order: int) -> Smooth:
    """ln(1 + x),  1/(1 + x),  −1/(1 + x)²."""
    slope = 1 / (1 + x)
    return (torch.log1p(x), slope, -slope * slope)


def sqrt(x: Tensor, order: int) -> Smooth:
    """√x,  1/(2√x),  −1/(4 x√x)."""
    y = torch.sqrt(x)
    slope = 0.5 / y
    return (y, slope, -0.5 * slope / x)


def reciprocal(x: Tensor, order: int) -> Smooth:
    """1/x,  −1/x²,  2/x³."""
    y = 1 / x
    return (y, -y * y, 2 * y * y * y)


def atan(x: Tensor, order: int) -> Smooth:
    """arctan x,  1/(1 + x²),  −2x/(1 + x²)²."""
    slope = 1 / (1 + x * x)
    return (torch.atan(x), slope, -2 * x * slope * slope)


def erf(x: Tensor, order: int) -> Smooth:
    """erf x,  2/√π e^(−x²),  −4x/√π e^(−x²)."""
    slope = (2 / math.sqrt(math.pi)) * torch.exp(-x * x)
    return (torch.erf(x), slope, -2 * x * slope)


def sigmoid(x: Tensor, order: int) -> Smooth:
    """s = 1/(1 + e^(−x)),  s(1 − s),  s(1 − s)(1 − 2s)."""
    y = torch.sigmoid(x)
    slope = y * (1 - y)
    return (y, slope, slope * (1 - 2 * y))


def softplus(x: Tensor, order: int) -> Smooth:
    """ln(1 + eˣ),  s,  s(1 − s) with s = 1/(1 + e^(−x))."""
    s = torch.sigmoid(x)
    return (torch.nn.functional.softplus(x), s, s * (1 - s))


def silu(x: Tensor, order: int) -> Smooth:
    """x s,  s (1 + x(1 − s)),  s(1 − s)(2 + x(1 − 2s)) with s = 1/(1 + e^(−x))."""
    s = torch.sigmoid(x)
    y = x * s
    return (y, s + y * (1 - s), s * (1 - s) * (2 + x * (1 - 2 * s)))


def gelu(x: Tensor, order: int) -> Smooth:
    """x Φ(x),  Φ + x φ,  φ (2 − x²) with the normal distribution Φ and its density φ."""
    cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return (x * cdf, cdf + x * density, density * (2 - x * x))


def power(exponent: float | Tensor) -> Derivatives:
    """xⁿ,  n xⁿ⁻¹,  n(n − 1) xⁿ⁻².

    A factor 0 would meet x^(negative) = ∞ at x = 0: those terms are zero.
    """

    def derivatives(x: Tensor, order: int) -> Smooth:
        terms, factor = [torch.pow(x, exponent)], exponent
        for k in range(1, order + 1):
            if isinstance(factor, Tensor):
                slope = torch.pow(x, torch.where(factor == 0, 0, exponent - k))
            else:
                slope = torch.pow(x, 0 if factor == 0 else exponent - k)
            terms.append(factor * slope)
            factor = factor * (exponent - k)
        return tuple(terms)

    return derivatives


SMOOTH: dict[Callable, Derivatives] = {
    torch.tanh: tanh,
    torch.sin: sin,
    torch.cos: cos,
    torch.tan: tan,
    torch.sinh: sinh,
    torch.cosh: cosh,
    torch.exp: exp,
    torch.expm1: expm1,
    torch.log: log,
    torch.log1p: log1p,
    torch.sqrt: sqrt,
    torch.reciprocal: reciprocal,
    torch.square: power(2),
    torch.atan: atan,
    torch.erf: erf,
    torch.sigmoid: sigmoid,
}
