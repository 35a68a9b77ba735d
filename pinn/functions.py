"""Elementary functions of fields, so that physics reads like physics: `exp(k * x)`, `sin(pi * y)`.

Each is torch's own function; the field carries its derivatives through by the chain rule.
"""

from collections.abc import Callable
from typing import Any, cast

import torch

from pinn.fields import Field, vector

__all__ = ["atan", "cos", "exp", "log", "of_field", "sin", "sqrt", "tanh", "vector"]


def of_field(function: Callable[..., Any], f: Field) -> Field:
    """A torch function of a field."""
    return cast(Field, function(f))


def exp(f: Field) -> Field:
    """eᶠ."""
    return of_field(torch.exp, f)


def log(f: Field) -> Field:
    """The natural logarithm ln f."""
    return of_field(torch.log, f)


def sqrt(f: Field) -> Field:
    """√f."""
    return of_field(torch.sqrt, f)


def sin(f: Field) -> Field:
    """The sine."""
    return of_field(torch.sin, f)


def cos(f: Field) -> Field:
    """The cosine."""
    return of_field(torch.cos, f)


def tanh(f: Field) -> Field:
    """The hyperbolic tangent."""
    return of_field(torch.tanh, f)


def atan(f: Field) -> Field:
    """The arc tangent, in (−π/2, π/2)."""
    return of_field(torch.atan, f)
