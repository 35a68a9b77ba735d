"""Activation functions of networks and their derivatives, up to the fifth."""

import math
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.elementary import tanh
from pinn.algebra.terms import Derivatives, Terms, derivatives


def sigmoid(x: Tensor) -> Terms:
    """y = 1/(1 + e^(−x)),  s = y(1 − y),  s(1 − 2y),  s(1 − 6s),  s(1 − 2y)(1 − 12s), …"""
    yield (y := torch.sigmoid(x))
    yield (s := y * (1 - y))
    yield (curvature := s * (1 - 2 * y))
    yield s * (1 - 6 * s)
    yield curvature * (1 - 12 * s)
    yield s * (1 + s * (120 * s - 30))


def softplus(x: Tensor) -> Terms:
    """ln(1 + eˣ) and the derivatives of the sigmoid."""
    yield F.softplus(x)
    yield from sigmoid(x)


def times_x(x: Tensor, gate: Terms) -> Terms:
    """x g(x):  x g,  g + x g′,  2g′ + x g″,  3g″ + x g‴, …"""
    lower = next(gate)
    yield x * lower
    for k, upper in enumerate(gate, 1):
        yield torch.add(x * upper, lower, alpha=k)
        lower = upper


def silu(x: Tensor) -> Terms:
    """x y with y = 1/(1 + e^(−x))."""
    return times_x(x, sigmoid(x))


def mish(x: Tensor) -> Terms:
    """x t with t = tanh ln(1 + eˣ):  t′ = (1 − t²)y,  t″ = t′q,  t‴ = t″q + t′q′, …

    Here y = 1/(1 + e^(−x)) and q = 1 − y − 2ty.
    """

    def gate() -> Terms:
        yield (t := torch.tanh(F.softplus(x)))
        y = torch.sigmoid(x)
        yield (slope := (1 - t * t) * y)
        q = 1 - y - 2 * t * y
        yield (curvature := slope * q)
        yield curvature * q - slope * y * ((1 - y) * (1 + 2 * t) + 2 * slope)
        _, y1, y2, y3 = islice(sigmoid(x), 4)
        q1 = -y1 - 2 * (slope * y + t * y1)
        third = curvature * q + slope * q1
        q2 = -y2 - 2 * (curvature * y + 2 * slope * y1 + t * y2)
        yield (fourth := third * q + 2 * curvature * q1 + slope * q2)
        q3 = -y3 - 2 * (third * y + 3 * (curvature * y1 + slope * y2) + t * y3)
        yield fourth * q + 3 * (third * q1 + curvature * q2) + slope * q3

    return times_x(x, gate())


def gelu(x: Tensor) -> Terms:
    """x Φ,  Φ + x φ,  φ (2 − x²),  φ x(x² − 4),  φ (7x² − x⁴ − 4),  φ x(x⁴ − 11x² + 18).

    Φ is the normal distribution and φ its density.
    """
    cdf = 0.5 * (1 + torch.erf(x * math.sqrt(0.5)))
    yield x * cdf
    square = x * x
    density = torch.exp(-0.5 * square) * (1 / math.sqrt(2 * math.pi))
    yield cdf + x * density
    yield density * (2 - square)
    yield density * x * (square - 4)
    yield density * (square * (7 - square) - 4)
    yield density * x * (square * (square - 11) + 18)


def gelu_by_tanh(x: Tensor) -> Terms:
    """x (1 + tanh u)/2 with u = √(2/π) (x + 0.044715 x³)."""

    def gate() -> Terms:
        c, square = math.sqrt(2 / math.pi), x * x
        b = 0.044715 * c
        outer = tanh(x * (c + b * square))
        yield 0.5 * (1 + next(outer))
        u1, s = c + 3 * b * square, next(outer)
        yield 0.5 * s * u1
        u2, curved = 6 * b * x, next(outer)
        yield 0.5 * (curved * u1 * u1 + s * u2)
        third = next(outer)
        yield 0.5 * (third * u1**3 + 3 * curved * u1 * u2 + 6 * b * s)
        u3, fourth = 6 * b, next(outer)
        more = 6 * third * u1 * u1 * u2 + curved * (3 * u2 * u2 + 4 * u3 * u1)
        yield 0.5 * (fourth * u1**4 + more)
        more = 5 * third * u1 * (3 * u2 * u2 + 2 * u3 * u1) + 10 * u3 * curved * u2
        yield 0.5 * (next(outer) * u1**5 + 10 * fourth * u1**3 * u2 + more)

    return times_x(x, gate())


def elu(alpha: float = 1.0, scale: float = 1.0, rate: float = 1.0) -> Derivatives:
    """λx for x > 0,  λα(e^(βx) − 1) for x ≤ 0."""

    def terms(x: Tensor) -> Terms:
        left = x.clamp(max=0)
        if rate == 1:
            yield F.elu(x, alpha) * scale
        else:  # torch.celu rounds its rate to single precision
            yield torch.where(x > 0, scale * x, scale * alpha * torch.expm1(rate * left))
        branch = (scale * alpha * rate) * torch.exp(rate * left)
        yield torch.where(x > 0, scale, branch)
        for k in range(1, 5):
            yield torch.where(x < 0, rate**k * branch, 0)

    return derivatives(terms)
