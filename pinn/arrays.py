"""NumPy's functions on fields: torch's of the same meaning."""

import operator
from collections.abc import Callable
from typing import Any

import torch

from pinn.algebra.norule import NoRuleError
from pinn.algebra.rules import RULES
from pinn.algebra.rules.matrices import MATRICES
from pinn.algebra.rules.per_point import PER_POINT
from pinn.algebra.rules.piecewise import PIECEWISE

# What NumPy calls otherwise than torch.
OTHERWISE = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "absolute": "abs", "fabs": "abs", "negative": "neg",
    "power": "pow", "float_power": "pow", "true_divide": "div", "divide": "div",
    "subtract": "sub", "multiply": "mul", "rint": "round", "fmax": "maximum", "fmin": "minimum",
    "dot": "matmul", "mod": "remainder", "concatenate": "cat", "max": "amax", "min": "amin",
    "invert": "logical_not", "bitwise_and": "logical_and",
    "bitwise_or": "logical_or", "bitwise_xor": "logical_xor", "conjugate": "positive",
}  # fmt: skip
OPERATORS: dict[str, Callable] = {
    "add": operator.add,
    "sub": operator.sub,
    "positive": operator.pos,
}


def of_numpy(name: str, arguments: tuple, settings: dict[str, Any]) -> Any:
    """A function of NumPy on arguments of which at least one is a field.

    Raises:
        NoRuleError: it has no meaning for fields.
    """
    here = OTHERWISE.get(name, name)
    settings = {"dim" if key == "axis" else key: value for key, value in settings.items()}
    if here in OPERATORS and len(arguments) <= 2 and not settings:
        home: Any = next(a for a in arguments if hasattr(a, "operand"))
        return OPERATORS[here](*(home.operand(a) if a is not home else a for a in arguments))
    for place in (torch, torch.linalg, torch.special):
        function: Any = getattr(place, here, None)
        tables = (PIECEWISE, PER_POINT, MATRICES, RULES)
        rule = next((table[function] for table in tables if function in table), None)
        if rule is not None:
            return rule(*arguments, **settings)
    if name == "gradient":
        raise NoRuleError("numpy.gradient takes no field: write grad(u), or partial(u, 'x')")
    raise NoRuleError(
        f"numpy.{name} takes no field: its derivative is not known; write it with the functions of "
        "pinn or torch"
    )
