"""Normalisation and distances by their formulas, where torch's own kernels are wrong.

Measured with torch 2.13: the gradient in the parameters of a second derivative through
`F.layer_norm` or `F.instance_norm` is off by the order of itself, without an error; that of a first
derivative is right, and so are group, RMS and batch norm. `torch.cdist` has no second derivative.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rules.distance import cdist
from pinn.algebra.rules.normalise import instance_norm, layer_norm
from pinn.algebra.series import Series

# Torch's function → its formula, and how many axes of points that has to know of.
Formula = dict[Callable, tuple[Callable[..., Series], int]]
FORMULAS: Formula = {
    F.layer_norm: (layer_norm, 0),
    torch.layer_norm: (layer_norm, 0),
    F.instance_norm: (instance_norm, 1),
    torch.cdist: (cdist, 0),
}


# Those that a first derivative already needs, whose parameter gradient is a second one.
AT_ONCE = {torch.cdist: FORMULAS[torch.cdist]}
CURES = {
    "pdist": "write (x[:, i] - x[:, j]).square().sum(-1).sqrt()",
    "embedding_bag": "write embedding(…).sum(-2)",
    "cudnn_rnn": "train it under torch.backends.cudnn.flags(enabled=False)",
    "zeta": "only its second argument has one",
    "igamma": "only its second argument has one",
    "igammac": "only its second argument has one",
    "floor_divide": "write torch.floor(a / b)",
    "heaviside": "write torch.where(x > 0, 1.0, 0.0)",
}
FORWARD_ALONE = "implement either the backward or vjp"
BY_JVP = (
    "sum(torch.func.jvp(f, (x,), (e.expand_as(x),))[1][..., i] "
    "for i, e in enumerate(torch.eye(x.shape[-1]).to(x)))"
)
MISSING = re.compile(r"derivative for '?(?:aten::)?_*(\w+?)(_backward)?\d?(?:: \w+)?'? is not impl")


class Formulas(TorchFunctionMode):
    """Within it, layer norm, instance norm and distances are made of elementary operations.

    The formulas are the derivative rules: a tensor is a series without derivatives.

    Args:
        table: torch's function → its formula.
    """

    def __init__(self, table: Formula = FORMULAS) -> None:
        super().__init__()
        self.table = table

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass everything else on, jets included: they have rules of their own."""
        settings = kwargs or {}
        if func not in self.table or not args or not isinstance(args[0], Tensor):
            return func(*args, **settings)
        (x, *rest), (formula, lead) = args, self.table[func]
        try:
            return formula(Series(x, {}, lead), *rest, **settings).value
        except NoRuleError:  # such as running statistics that are to be updated
            return func(*args, **settings)


@contextmanager
def named_refusals() -> Iterator[None]:
    """Within it, what torch cannot differentiate is refused in one line that names it.

    Raises:
        NotImplementedError: a function has no derivative in torch, or none of second order.
    """
    try:
        yield
    except RuntimeError as error:
        if FORWARD_ALONE in str(error):
            raise NotImplementedError(
                "an autograd.Function in f has a jvp alone, and every strategy is held against "
                f"reverse mode: give it a backward, or take {BY_JVP}"
            ) from error
        missing = MISSING.search(str(error))
        if missing is None:
            raise
        name, again = missing.groups()
        cure = CURES.get(name, "write it with elementary operations such as +, *, exp and indexing")
        what = "second derivative" if again else "derivative"
        raise NotImplementedError(
            f"{name} has no {what} in torch, which the equations or the training need: {cure}"
        ) from error
