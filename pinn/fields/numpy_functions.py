"""NumPy's functions on fields: torch's of the same meaning."""

import operator
from collections.abc import Callable
from typing import Any

import torch

from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rules import FIELD_RULES

# What NumPy calls otherwise than torch.
OTHERWISE = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "absolute": "abs", "fabs": "abs", "negative": "neg",
    "power": "pow", "float_power": "pow", "true_divide": "div", "divide": "div",
    "subtract": "sub", "multiply": "mul", "rint": "round", "fmax": "maximum", "fmin": "minimum",
    "dot": "matmul", "mod": "remainder", "concatenate": "cat", "max": "amax", "min": "amin",
    "invert": "logical_not", "bitwise_and": "logical_and",
    "bitwise_or": "logical_or", "bitwise_xor": "logical_xor",
}  # fmt: skip
KEYWORDS = {
    "axis": "dim", "axis1": "dim1", "axis2": "dim2", "keepdims": "keepdim", "ddof": "correction",
    "a_min": "min", "a_max": "max",
}  # fmt: skip
# The same name in torch, and another meaning.
UNLIKE = ("split", "take", "repeat", "sort", "unique")


def of_numpy(name: str, arguments: tuple, settings: dict[str, Any]) -> Any:
    """A function of NumPy on arguments of which at least one is a field.

    Raises:
        NoRuleError: it has no meaning for fields.
    """
    here = OTHERWISE.get(name, name)
    settings = {KEYWORDS.get(key, key): value for key, value in settings.items()}
    if name in SPECIAL:
        return SPECIAL[name](*arguments, **settings)
    if name in ("std", "var"):  # of all entries by themselves, not of a sample
        settings = {"correction": 0, **settings}
    for place in (torch, torch.linalg, torch.special):
        function: Any = getattr(place, here, None)
        rule = FIELD_RULES.get(function)
        if rule is not None and name not in UNLIKE:
            return rule(*arguments, **settings)
    if name == "gradient":
        raise NoRuleError("numpy.gradient takes no field: write grad(u), or partial(u, 'x')")
    raise NoRuleError(
        f"numpy.{name} takes no field: its derivative is not known; write it with the functions of "
        "pinn or torch"
    )


def select(conditions: Any, choices: Any, default: Any = 0.0) -> Any:
    """The choice of the first condition that holds at a point."""
    result = default
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        result = FIELD_RULES[torch.where](condition, choice, result)
    return result


def transpose(x: Any, axes: Any = None) -> Any:
    """Aᵀ at each point, or the axes in another order."""
    return x.T if axes is None else FIELD_RULES[torch.permute](x, axes)


def trace(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """tr A at each point, of its last two axes unless others are named."""
    return FIELD_RULES[torch.diagonal](x, offset, dim1, dim2).sum(-1)


def rounded(x: Any, decimals: int = 0) -> Any:
    """The nearest number with so many decimals."""
    return FIELD_RULES[torch.round](x * 10**decimals) / 10**decimals


SPECIAL: dict[str, Callable] = {
    "select": select, "transpose": transpose, "trace": trace, "round": rounded,
    "positive": operator.pos, "conjugate": operator.pos,
}  # fmt: skip
