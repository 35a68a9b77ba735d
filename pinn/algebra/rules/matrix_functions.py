"""Norms, traces, determinants and inverses at every point, and constants of a field's shape."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import torch

from pinn.algebra.rules.arithmetic import divide, multiply
from pinn.algebra.rules.axes import named
from pinn.algebra.rules.join import stack
from pinn.algebra.rules.kinks import absolute
from pinn.algebra.rules.linear_algebra import axes_of, cross, dot, matmul
from pinn.algebra.rules.reduce import norm as norm_of_features
from pinn.algebra.rules.reduce import summed
from pinn.algebra.rules.several_operands import extremum
from pinn.algebra.rules.shape import transpose


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


def full_like(x: Any, fill_value: Any, **_: Any) -> Any:
    """A constant of the shape of x, which keeps the gradient of a parameter."""
    value = x.still(fill_value, False).value
    return x.like(value.expand(x.shape), dict.fromkeys(x.streams))


MATRICES: dict[Callable, Callable] = {
    torch.norm: norm,
    torch.Tensor.norm: norm,
    torch.linalg.norm: matrix_norm,
    **named(matrix_norm, trace, diagonal, inverse, solve, prod, full_like, vector_norm=norm),
    **named(det=determinant, inv=inverse, amax=largest, amin=smallest, t=transposed),
    **named(
        zeros_like=partial(full_like, fill_value=0.0), ones_like=partial(full_like, fill_value=1.0)
    ),
}
