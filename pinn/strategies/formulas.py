"""Normalisation by its formula, where reverse mode through torch's own kernel is wrong.

Measured with torch 2.13: the gradient in the parameters of a second derivative through
`F.layer_norm` or `F.instance_norm` is off by the order of itself, without an error; that of a first
derivative is right, and so are group, RMS and batch norm.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pinn.algebra.norule import NoRuleError
from pinn.algebra.rules.normalise import instance_norm, layer_norm
from pinn.algebra.series import Series

# Torch's function → its formula, and how many axes of points that has to know of.
FORMULAS: dict[Callable, tuple[Callable[..., Series], int]] = {
    F.layer_norm: (layer_norm, 0),
    torch.layer_norm: (layer_norm, 0),
    F.instance_norm: (instance_norm, 1),
}


class Formulas(TorchFunctionMode):
    """Within it, layer and instance norm are made of elementary operations.

    The formulas are the derivative rules: a tensor is a series without derivatives.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Pass everything else on, jets included: they have rules of their own."""
        found = kwargs or {}
        if func not in FORMULAS or not args or not isinstance(args[0], Tensor):
            return func(*args, **found)
        (x, *rest), (formula, lead) = args, FORMULAS[func]
        try:
            return formula(Series(x, {}, lead), *rest, **found).value
        except NoRuleError:  # such as running statistics that are to be updated
            return func(*args, **found)
