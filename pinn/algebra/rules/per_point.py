"""Linear algebra at every point: a field (N, C) is a vector, (N, C, D) a matrix by rows."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.arithmetic import add, divide, multiply, series_of, subtract
from pinn.algebra.rules.axes import named
from pinn.algebra.rules.blend import extremum
from pinn.algebra.rules.join import stack
from pinn.algebra.rules.kinks import absolute
from pinn.algebra.rules.products import einsum as einsum_over_points
from pinn.algebra.rules.reduce import norm as norm_of_features
from pinn.algebra.rules.reduce import summed
from pinn.algebra.rules.shape import transpose
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
        home = series_of(a, b)
        first = home.operand(a)
        plain = isinstance(alpha, int | float) and alpha == 1
        other = home.operand(b) if plain else multiply(home.operand(b), alpha)
        return (
            rule(summand(other, first), other)
            if first.rank < 0
            else rule(first, summand(first, other))
        )

    return checked


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


def axes_of(f: Series) -> int:
    """How many axes a factor has at a point."""
    return max(f.value.ndim - 1, 0)


PRODUCTS = {(1, 1): "i,i->", (2, 1): "ij,j->i", (1, 2): "i,ij->j", (2, 2): "ij,jk->ik"}


def matmul(a: Any, b: Any) -> Any:
    """a @ b at each point:  u·v,  A v,  vᵀA,  A B.

    Raises:
        ValueError: one of them is a scalar, or the lengths do not fit.
    """
    home: Any = series_of(a, b)
    a, b = tensor_of(home, a), tensor_of(home, b)
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
    home: Any = series_of(a, b)
    a, b = tensor_of(home, a), tensor_of(home, b)
    if axes_of(a) != 1 or axes_of(b) != 1 or dim not in (-1, 1):
        raise ValueError(
            f"dot of shapes {tuple(a.value.shape[1:])} and {tuple(b.value.shape[1:])} at a point: "
            "it takes two vectors; A @ v multiplies a matrix by a vector"
        )
    return matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """(a bᵀ)ᵢⱼ = aᵢ bⱼ at each point."""
    home: Any = series_of(a, b)
    a, b = tensor_of(home, a), tensor_of(home, b)
    if axes_of(a) != 1 or axes_of(b) != 1:
        raise ValueError("outer takes two vectors at each point")
    return at_each_point("i,j->ij", a, b)


def cross(a: Any, b: Any, *, dim: int | None = None) -> Any:
    """a × b of vectors with three components at each point."""
    home: Any = series_of(a, b)
    a, b = tensor_of(home, a), tensor_of(home, b)
    if (
        axes_of(a) != 1
        or axes_of(b) != 1
        or dim not in (None, -1, 1)
        or not (a.value.shape[-1] == b.value.shape[-1] == 3)
    ):
        raise ValueError(
            f"cross of shapes {tuple(a.value.shape[1:])} and {tuple(b.value.shape[1:])} at a "
            "point: it takes two vectors of three components"
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
    term, found = terms[0], factors[0]
    if len(factors) == 1:
        return found.map(lambda s: torch.einsum(f"...{term}->...{output}", s))
    for k in range(1, len(factors)):
        later = set(output).union(*terms[k + 1 :])
        both = "".join(dict.fromkeys(term + terms[k]))
        kept = output if k == len(factors) - 1 else "".join(c for c in both if c in later)
        found = at_each_point(f"{term},{terms[k]}->{kept}", found, factors[k])
        term = kept
    return found


def norm(x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, **more: Any) -> Any:
    """|x| = √Σ xᵢ² over the components at each point; p = 1: Σ |xᵢ|; p = ∞: max |xᵢ|."""
    p = more.pop("p", ord)
    axes = tuple(range(-axes_of(x), 0)) if dim is None else dim
    if axes == ():
        raise ValueError("the norm of a scalar is abs(u)")
    if p == 1:
        return summed(absolute(x), axes, keepdim)
    if p == torch.inf and axes_of(x) == 1 and not keepdim:
        return largest(absolute(x))
    return norm_of_features(x, p, axes, keepdim, **more)


def matrix_norm(x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, **m: Any) -> Any:
    """|A| = √Σ Aᵢⱼ² at each point; other orders of a matrix are refused.

    Raises:
        ValueError: the order means singular values or sums of rows and columns.
    """
    if axes_of(x) == 2 and not isinstance(dim, int) and ord not in (None, "fro"):
        raise ValueError(f"the norm of order {ord!r} of a matrix is not offered: 'fro' is")
    return norm(x, ord, dim, keepdim, **m)


def components(x: Any, dim: Any = None) -> list[Any]:
    """The components of a vector at each point, one by one.

    Raises:
        ValueError: it is no vector.
    """
    if axes_of(x) != 1 or dim not in (-1, 1):
        raise ValueError(
            f"shape {tuple(x.shape[1:])} at a point, dim={dim}: it goes over the components of a "
            "vector, dim=-1"
        )
    return [x[:, k] for k in range(x.shape[-1])]


def largest(x: Any, dim: Any = -1) -> Any:
    """The largest component at each point."""
    return reduce(extremum("maximum"), components(x, dim))


def smallest(x: Any, dim: Any = -1) -> Any:
    """The smallest component at each point."""
    return reduce(extremum("minimum"), components(x, dim))


def prod(x: Any, dim: Any = None) -> Any:
    """The product of the components at each point."""
    return reduce(multiply, components(x, dim))


def trace(x: Any) -> Any:
    """tr A = Σᵢ Aᵢᵢ at each point."""
    if axes_of(x) != 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"trace of shape {tuple(x.shape[1:])} at a point: it takes a square matrix"
        )
    return x.map(lambda s: s.diagonal(dim1=-2, dim2=-1).sum(-1))


def diagonal(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """(A₁₁, …, A_CC) at each point."""
    if axes_of(x) != 2 or {dim1 % 3, dim2 % 3} != {1, 2}:
        raise ValueError(f"diagonal of shape {tuple(x.shape[1:])} at a point: it takes a matrix")
    return x.map(lambda s: s.diagonal(offset, dim1=-2, dim2=-1))


def transposed(x: Any) -> Any:
    """Aᵀ at each point; a scalar or a vector is its own."""
    return transpose(x, -2, -1) if axes_of(x) > 1 else x


def determinant(x: Any) -> Any:
    """det A of a 1×1, 2×2 or 3×3 matrix at each point."""
    size = tuple(x.shape[1:])
    if size not in ((1, 1), (2, 2), (3, 3)):
        raise ValueError(f"det of shape {size} at a point: it takes a square matrix up to 3 × 3")
    if size == (1, 1):
        return x[:, 0, 0]
    if size == (2, 2):
        return x[:, 0, 0] * x[:, 1, 1] - x[:, 0, 1] * x[:, 1, 0]
    return dot(x[:, 0], cross(x[:, 1], x[:, 2]))


def inverse(x: Any) -> Any:
    """A⁻¹ of a 2×2 or 3×3 matrix at each point, by its cofactors."""
    size = tuple(x.shape[1:])
    if size == (2, 2):
        rows = [[x[:, 1, 1], -x[:, 0, 1]], [-x[:, 1, 0], x[:, 0, 0]]]
        cofactors = stack([stack(row, -1) for row in rows], 1)
    elif size == (3, 3):
        a, b, c = (x[:, k] for k in range(3))
        cofactors = stack([cross(b, c), cross(c, a), cross(a, b)], -1)
    else:
        raise ValueError(f"the inverse of shape {size} at a point: it takes 2 × 2 or 3 × 3")
    return divide(cofactors, determinant(x))


def solve(a: Any, b: Any) -> Any:
    """The x of A x = b at each point."""
    return matmul(inverse(a), b)


def constant_like(number: float) -> Callable[..., Any]:
    """The rule of `zeros_like` and `ones_like`: a field with zero derivatives."""

    def rule(x: Any, **_: Any) -> Any:
        return full_like(x, number)

    return rule


def full_like(x: Any, fill_value: Any, **_: Any) -> Any:
    """A constant of the shape of x, which keeps the gradient of a parameter."""
    value = x.still(fill_value, False).value
    return x.like(value.expand(x.shape), dict.fromkeys(x.streams))


PER_POINT: dict[Callable, Callable] = {
    torch.norm: norm,
    torch.Tensor.norm: norm,
    torch.linalg.norm: matrix_norm,
    **named(
        {
            "add": summed_up(add),
            "sub": summed_up(subtract),
            "subtract": summed_up(subtract),
            "matmul": matmul,
            "__matmul__": matmul,
            "__rmatmul__": lambda a, b: matmul(b, a),
            "mm": matmul,
            "mv": matmul,
            "bmm": matmul,
            "dot": dot,
            "vdot": dot,
            "inner": dot,
            "vecdot": dot,
            "outer": outer,
            "cross": cross,
            "einsum": einsum,
            "vector_norm": norm,
            "matrix_norm": matrix_norm,
            "trace": trace,
            "diagonal": diagonal,
            "det": determinant,
            "inv": inverse,
            "inverse": inverse,
            "solve": solve,
            "amax": largest,
            "amin": smallest,
            "prod": prod,
            "t": transposed,
            "zeros_like": constant_like(0.0),
            "ones_like": constant_like(1.0),
            "full_like": full_like,
        }
    ),
}
