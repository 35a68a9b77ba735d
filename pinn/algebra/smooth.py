"""Smooth functions of one variable, as torch and torch.nn.functional name them: σ, σ′, σ″, ….

`SMOOTH[σ](x, k)` returns the first k + 1 of them, k ≤ 5, and computes no more.
"""

import math
from collections.abc import Callable

import torch

from pinn.algebra import activations, elementary
from pinn.algebra.activations import elu
from pinn.algebra.elementary import exponential, logarithm, power, turning
from pinn.algebra.terms import Derivatives, derivatives

ELEMENTARY = "tanh tan asin acos atan asinh acosh atanh expm1 sqrt rsqrt reciprocal erf erfc"

__all__ = [
    "SMOOTH", "Derivatives", "elu", "gelu", "gelu_by_tanh", "mish", "power", "silu", "softplus",
]  # fmt: skip

SMOOTH: dict[Callable, Derivatives] = {
    **{getattr(torch, n): derivatives(getattr(elementary, n)) for n in ELEMENTARY.split()},
    torch.sin: turning(torch.sin, torch.cos, 1, -1),
    torch.cos: turning(torch.cos, torch.sin, -1, -1),
    torch.sinh: turning(torch.sinh, torch.cosh, 1, 1),
    torch.cosh: turning(torch.cosh, torch.sinh, 1, 1),
    torch.sigmoid: derivatives(activations.sigmoid),
    torch.exp: exponential(torch.exp, math.e),
    torch.exp2: exponential(torch.exp2, 2),
    torch.log: logarithm(torch.log, math.e),
    torch.log2: logarithm(torch.log2, 2),
    torch.log10: logarithm(torch.log10, 10),
    torch.log1p: logarithm(torch.log1p, math.e, shift=1),
    torch.square: power(2),
}

silu, gelu, softplus = map(derivatives, (activations.silu, activations.gelu, activations.softplus))
gelu_by_tanh, mish = map(derivatives, (activations.gelu_by_tanh, activations.mish))
