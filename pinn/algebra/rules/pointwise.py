"""Smooth functions of one variable, as torch and torch.nn.functional name them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from pinn.algebra.rules.arithmetic import compose, multiply
from pinn.algebra.rules.axes import refuse
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


def out_of_place(name: str, smooth: Callable[..., Derivatives]) -> Callable[..., Series]:
    """The rule of an activation that could write to its argument, which is refused.

    Args:
        name: the function.
        smooth: its parameters ↦ its derivatives.
    """

    def rule(x: Series, *parameters: Any, inplace: bool = False, **more: Any) -> Series:
        if inplace or any(parameter is True for parameter in parameters):
            raise refuse(name, "with inplace=True")
        chosen = [p for p in parameters if p is not False]
        return compose(x, smooth(*chosen, **more))

    return rule


SPECIAL = {
    "expit": torch.sigmoid,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "log1p": torch.log1p,
}

POINTWISE: dict[Callable, Callable] = {
    **{function: partial(compose, derivatives=d) for function, d in SMOOTH.items()},
    **{
        getattr(torch.special, name): partial(compose, derivatives=SMOOTH[function])
        for name, function in SPECIAL.items()
    },
    F.gelu: gelu_rule,
    F.softplus: softplus_rule,
    F.silu: out_of_place("silu", lambda: silu),
    F.mish: out_of_place("mish", lambda: mish),
    F.elu: out_of_place("elu", lambda alpha=1.0: elu(alpha)),
    F.celu: out_of_place("celu", lambda alpha=1.0: elu(alpha, rate=1 / alpha)),
    F.selu: out_of_place("selu", lambda: elu(SELU_ALPHA, SELU_SCALE)),
}
