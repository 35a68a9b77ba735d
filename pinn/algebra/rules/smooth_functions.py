"""Smooth functions of one variable, as torch and torch.nn.functional name them."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from pinn.algebra.rules.arithmetic import add, compose, divide, multiply, subtract
from pinn.algebra.rules.axes import out_of_place, refuse
from pinn.algebra.rules.kinks import absolute
from pinn.algebra.series import Series
from pinn.algebra.smooth import SMOOTH, Derivatives, elu, gelu, gelu_by_tanh, mish, silu, softplus

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def gelu_rule(x: Series, *, approximate: str = "none") -> Series:
    """GELU in its exact form, or by tanh."""
    return compose(x, gelu if approximate == "none" else gelu_by_tanh)


def softplus_rule(x: Series, beta: float = 1.0, threshold: float = 20.0) -> Series:
    """softplus(βx)/β; torch's switch to the identity above the threshold is below 1e-8."""
    if threshold < 20:
        raise refuse("softplus", f"with threshold={threshold}")
    if beta == 1:
        return compose(x, softplus)
    return multiply(compose(multiply(x, beta), softplus), 1 / beta)


def family(name: str, smooth: Callable[..., Derivatives]) -> Callable[..., Series]:
    """The rule of an activation with parameters.

    Args:
        name: the function.
        smooth: its parameters ↦ its derivatives.
    """
    return out_of_place(name, lambda x, **parameters: compose(x, smooth(**parameters)))


SMOOTH_RULES = {function: partial(compose, derivatives=d) for function, d in SMOOTH.items()}

POINTWISE: dict[Callable, Callable] = {
    **SMOOTH_RULES,
    **{getattr(torch.special, f.__name__, f): rule for f, rule in SMOOTH_RULES.items()},
    torch.special.expit: SMOOTH_RULES[torch.sigmoid],
    F.logsigmoid: lambda x: compose(x.map(torch.neg), softplus).map(torch.neg),
    F.softsign: lambda x: divide(x, add(absolute(x), 1)),
    F.tanhshrink: lambda x: subtract(x, SMOOTH_RULES[torch.tanh](x)),
    F.gelu: gelu_rule,
    F.softplus: softplus_rule,
    F.silu: family("silu", lambda: silu),
    F.mish: family("mish", lambda: mish),
    F.elu: family("elu", lambda alpha=1.0: elu(alpha)),
    F.celu: family("celu", lambda alpha=1.0: elu(alpha, rate=1 / alpha)),
    F.selu: family("selu", lambda: elu(SELU_ALPHA, SELU_SCALE)),
}
