"""Elementary functions of fields, so that physics reads like physics: `exp(k * x)`, `sin(pi * y)`.

Each is torch's own function; the field carries its derivatives through by the chain rule.
"""

from collections.abc import Callable
from typing import Any, cast

import torch

from pinn.algebra.rules.linear_algebra import dot as dot_of
from pinn.algebra.rules.piecewise import where as where_of
from pinn.algebra.rules.several_operands import extremum
from pinn.fields.field import Field
from pinn.fields.field import vector as vector


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


def tan(f: Field) -> Field:
    """The tangent."""
    return of_field(torch.tan, f)


def sinh(f: Field) -> Field:
    """The hyperbolic sine."""
    return of_field(torch.sinh, f)


def cosh(f: Field) -> Field:
    """The hyperbolic cosine."""
    return of_field(torch.cosh, f)


def tanh(f: Field) -> Field:
    """The hyperbolic tangent."""
    return of_field(torch.tanh, f)


def atan(f: Field) -> Field:
    """The arc tangent, in (−π/2, π/2)."""
    return of_field(torch.atan, f)


def maximum(f: Any, g: Any) -> Field:
    """The larger of two fields, or of a field and a number, at each point."""
    return cast(Field, extremum("maximum")(f, g))


def minimum(f: Any, g: Any) -> Field:
    """The smaller of two fields, or of a field and a number, at each point."""
    return cast(Field, extremum("minimum")(f, g))


def where(condition: Any, f: Any, g: Any) -> Field:
    """f where a condition such as `x < 0.5` holds, else g.

    A coefficient that jumps is `where(x < 0.5, 1.0, 10.0)`. Its derivative is zero, which is right
    away from the jump; what happens at the jump is for the equations to say.

    Args:
        condition: a comparison of fields; several are joined by &, | and ~.
        f: a field, a number or a tuple.
        g: likewise, of the same shape at a point.
    """
    return cast(Field, where_of(condition, f, g))


def dot(f: Any, g: Any) -> Field:
    """f·g = Σᵢ fᵢ gᵢ of two vectors at each point, as f @ g."""
    return cast(Field, dot_of(f, g))
