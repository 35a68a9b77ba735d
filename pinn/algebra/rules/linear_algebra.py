"""Linear algebra at every point: a field (N, C) is a vector, (N, C, D) a matrix by rows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.arithmetic import add, multiply, operands, reflected, series_of, subtract
from pinn.algebra.rules.axes import named
from pinn.algebra.rules.matrix_products import einsum as einsum_over_points
from pinn.algebra.series import Series, product


def summand(f: Any, other: Any) -> Any:
    """The other summand of a field, of the shape that the field has at a point.

    Raises:
        ValueError: the two differ in shape, and broadcasting would not say so.
    """
    other = f.operand(other)
    if other.value.ndim and tuple(other.value.shape[1:]) != tuple(f.shape[1:]):
        names = [repr(getattr(part, "name", "the constant")) for part in (f, other)]
        raise ValueError(
            f"the sum of {names[0]}, shape {tuple(f.shape[1:])} per point, and {names[1]}, shape "
            f"{tuple(other.value.shape[1:])}, has no meaning: multiply a scalar by a tuple such as "
            "(1.0, 0.0) to make it a vector"
        )
    return other


def summed_up(rule: Callable) -> Callable[..., Any]:
    """The rule of `torch.add` or `torch.sub` for summands of one shape."""

    def checked(a: Any, b: Any, *, alpha: Any = 1) -> Any:
        _, a, b = operands(a, b)
        b = b if isinstance(alpha, int | float) and alpha == 1 else multiply(b, alpha)
        return rule(summand(b, a), b) if a.rank < 0 else rule(a, summand(a, b))

    return checked


plus, minus = summed_up(add), summed_up(subtract)


def tensor_of(home: Any, other: Any) -> Series:
    """The other factor of a product at each point: a constant matrix may have a shape of its own.

    Raises:
        TypeError: a plain tensor could be a constant or one value per point.
    """
    if not isinstance(other, Tensor) or other.ndim == 0 or other.dtype == torch.bool:
        return home.operand(other)
    if other.shape[0] != len(home.value):
        return home.still(other, True)
    if other.ndim == 2 and not isinstance(other, torch.nn.Parameter):
        raise TypeError(
            f"a tensor of shape {tuple(other.shape)} beside {len(home.value)} points could be a "
            "constant matrix or one vector per point: write a constant as a tuple of rows, and "
            "values per point in terms of the coordinates"
        )
    return home.still(other, True) if other.ndim == 2 else home.operand(other)


def factors(*given: Any) -> tuple[Any, ...]:
    """The field that speaks for the result, and then every factor of a product at each point."""
    home = series_of(*given)
    return home, *(tensor_of(home, part) for part in given)


def vectors(name: str, *given: Any, also: str = "") -> tuple[Any, ...]:
    """`factors`, each of which has to be a vector.

    Raises:
        ValueError: one of them is none.
    """
    home, *parts = factors(*given)
    if any(axes_of(part) != 1 for part in parts):
        shapes = " and ".join(str(tuple(part.value.shape[1:])) for part in parts)
        raise ValueError(f"{name} of shapes {shapes} at a point: it takes two vectors{also}")
    return home, *parts


def axes_of(f: Series) -> int:
    """How many axes a factor has at a point."""
    return max(f.value.ndim - 1, 0)


PRODUCTS = {(1, 1): "i,i->", (2, 1): "ij,j->i", (1, 2): "i,ij->j", (2, 2): "ij,jk->ik"}


def matmul(a: Any, b: Any) -> Any:
    """a @ b at each point:  u·v,  A v,  vᵀA,  A B.

    Raises:
        ValueError: one of them is a scalar, or the lengths do not fit.
    """
    _, a, b = factors(a, b)
    shapes = [tuple(f.value.shape[1:]) for f in (a, b)]
    equation = PRODUCTS.get((axes_of(a), axes_of(b)))
    if equation is None or shapes[0][-1] != shapes[1][0]:
        raise ValueError(
            f"a @ b of shapes {shapes[0]} and {shapes[1]} at a point: it multiplies vectors and "
            "matrices whose neighbouring lengths agree; a scalar takes *"
        )
    return at_each_point(equation, a, b)


def at_each_point(equation: str, a: Any, b: Any) -> Any:
    """A product of two factors, one of which is a field."""
    home = series_of(a, b)
    left, right, result = equation.replace("->", ",").split(",")

    def times(s: Tensor, t: Tensor) -> Tensor:
        return torch.einsum(f"...{left},...{right}->...{result}", s, t)

    return home.like(*product(a, b, times))


def dot(a: Any, b: Any, dim: int = -1) -> Any:
    """a·b = Σᵢ aᵢ bᵢ at each point.

    Raises:
        ValueError: they are no two vectors of one length.
    """
    _, a, b = vectors("dot", a, b, also="; A @ v multiplies a matrix by a vector")
    if dim not in (-1, 1):
        raise ValueError(f"dot along dim={dim}: the components of a vector are dim=-1")
    return matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """(a bᵀ)ᵢⱼ = aᵢ bⱼ at each point."""
    _, a, b = vectors("outer", a, b)
    return at_each_point("i,j->ij", a, b)


def cross(a: Any, b: Any, *, dim: int | None = None) -> Any:
    """a × b of vectors with three components at each point."""
    home, a, b = vectors("cross", a, b, also=" of three components")
    sizes = a.value.shape[-1], b.value.shape[-1]
    if sizes != (3, 3) or dim not in (None, -1, 1):
        raise ValueError(
            f"cross of {sizes} components, dim={dim}: it takes three and three, dim=-1"
        )

    def turned(f: Series, by: int) -> Series:
        return f.map(lambda s: s.roll(-by, -1))

    first = multiply(home.operand(turned(a, 1)), turned(b, 2))
    return subtract(first, multiply(home.operand(turned(a, 2)), turned(b, 1)))


def einsum(equation: str, *operands: Any) -> Any:
    """Products and sums over letters at each point: `ij,j->i`, or with a letter of the points."""
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    home: Any = series_of(*operands)
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow:
        output = "".join(sorted(c for c in set(inputs) - {","} if inputs.count(c) == 1))
    fields = [(t, o) for t, o in zip(terms, operands, strict=True) if isinstance(o, Series)]
    points = {t[:1] for t, _ in fields}
    if len(points) == 1 and all(len(t) == o.value.ndim for t, o in fields):
        point = points.pop()  # a letter of the points, as in nij,nj->ni
        terms = [
            t[1:] if isinstance(o, Series) else t for t, o in zip(terms, operands, strict=True)
        ]
        if output[:1] == point and point not in "".join([*terms, output[1:]]):
            return contraction(terms, [tensor_of(home, o) for o in operands], output[1:])
    if "..." in equation or any(len(t) != o.value.ndim - 1 for t, o in fields):
        return einsum_over_points(equation, *operands)
    return contraction(terms, [tensor_of(home, o) for o in operands], output)


def contraction(terms: list[str], factors: list[Any], output: str) -> Any:
    """Factors multiplied one after the other; a letter is summed as soon as no other needs it."""
    term, result = terms[0], factors[0]
    if len(factors) == 1:
        return result.map(lambda s: torch.einsum(f"...{term}->...{output}", s))
    for k in range(1, len(factors)):
        later = set(output).union(*terms[k + 1 :])
        both = "".join(dict.fromkeys(term + terms[k]))
        kept = output if k == len(factors) - 1 else "".join(c for c in both if c in later)
        result = at_each_point(f"{term},{terms[k]}->{kept}", result, factors[k])
        term = kept
    return result


PER_POINT: dict[Callable, Callable] = named(
    outer,
    cross,
    einsum,
    add=plus,
    sub=minus,
    subtract=minus,
    __rmatmul__=reflected(matmul),
    **dict.fromkeys(("matmul", "__matmul__", "mm", "mv", "bmm"), matmul),
    **dict.fromkeys(("dot", "vdot", "inner", "vecdot"), dot),
)
