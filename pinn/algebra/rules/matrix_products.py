"""Matrix products:  linear in a constant factor, Leibniz' rule where both factors are series."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.arithmetic import add, bilinear, multiply, reflected, series_of
from pinn.algebra.rules.axes import feature_axis, named, refuse, width
from pinn.algebra.rules.reduce import summed
from pinn.algebra.series import Series


def matmul(a: Any, b: Any) -> Any:
    """A B over the last two axes of features; a vector counts as a row, or as a column."""
    home = series_of(a, b)
    other = b if home is a else a
    if other.ndim > home.value.ndim and other.ndim > 2:
        raise refuse(
            "matmul", f"with shape {tuple(other.shape)}, which has more axes than the input,"
        )
    if isinstance(other, Series):
        if width(a) != width(b) or a.lead != b.lead or width(a) < 2:
            raise refuse("matmul", f"of shapes {tuple(a.shape)} and {tuple(b.shape)}")
        return bilinear(torch.matmul, a, b)
    if home is a:
        feature_axis(a, -1, "matmul")
        return a.map(lambda s: torch.matmul(s, other))
    if b.value.ndim == 1:  # rows in front of a vector would be read as a matrix
        return b.map(lambda s: torch.matmul(s, other.mT if other.ndim > 1 else other))
    feature_axis(b, -2, "matmul")
    return b.map(lambda s: torch.matmul(other, s))


def batched(a: Any, b: Any) -> Series:
    """`bmm`: the product of the matrices of each point."""
    if not all(isinstance(f, Series) and f.lead == 1 for f in (a, b)):
        raise refuse("bmm", "with a constant, or points along several axes,")
    return matmul(a, b)


def dot(a: Any, b: Any) -> Series:
    """Σ aᵢ bᵢ of vectors without point axes; a point axis would be summed over."""
    feature_axis(series_of(a, b), 0, "dot")
    return summed(multiply(a, b), -1)


def inner(a: Any, b: Any) -> Series:
    """Σ aᵢ bᵢ over the last axis, with a constant vector or matrix."""
    home = series_of(a, b)
    other = b if home is a else a
    if isinstance(other, Series) or (home is b and other.ndim > 1) or not 1 <= other.ndim <= 2:
        raise refuse("inner", f"of shapes {tuple(a.shape)} and {tuple(b.shape)}")
    return matmul(home, other.mT if other.ndim == 2 else other)


def added(product: Callable, name: str) -> Callable[..., Series]:
    """The rule of `addmm` and its like:  β c + α a b."""

    def rule(c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Series:
        if not (isinstance(a, Series) or isinstance(b, Series)):
            raise refuse(name, "of constants")
        result = product(a, b)
        return add(multiply(result, alpha) if alpha != 1 else result, c * beta if beta != 1 else c)

    return rule


def einsum(equation: str, *operands: Any) -> Series:
    """Σ over the letters that the result leaves out; those of the points stay in front of it.

    The letters of the points become `...`, so that all rows pass through one call.
    """
    jets = [o for o in operands if isinstance(o, Series)]
    home = series_of(*operands)
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow or len(jets) > 2 or len(terms) != len(operands):
        raise refuse("einsum", f"{equation!r} with {len(jets)} inputs that depend on the points")
    points = leading(equation, home, [*zip(terms, operands, strict=True)], output)
    marked = [
        anonymous(t, points, isinstance(o, Series) or t.startswith(points))
        for t, o in zip(terms, operands, strict=True)
    ]
    new = ",".join(marked) + "->" + anonymous(output, points, True)
    if len(jets) == 1:
        k = next(k for k, o in enumerate(operands) if o is home)
        front, back = operands[:k], operands[k + 1 :]
        return home.map(lambda s: torch.einsum(new, *front, s, *back))

    def together(s: Tensor, t: Tensor) -> Tensor:
        factors = iter((s, t))
        return torch.einsum(new, *(next(factors) if isinstance(o, Series) else o for o in operands))

    return bilinear(together, *jets)


def leading(equation: str, home: Series, terms: Sequence[tuple[str, Any]], output: str) -> str:
    """The letters of the points, or `...`.

    Raises:
        NoRuleError: they are summed, moved, or shared with features.
    """
    moving = [(t, o) for t, o in terms if isinstance(o, Series)]
    fronts = {"..." if t.startswith("...") else t[: home.lead] for t, _ in moving}
    points = fronts.pop()
    constants = [t for t, o in terms if not isinstance(o, Series)]
    if type(home).align is Series.align:  # a network's constant may differ from point to point
        constants = [t.removeprefix(points) for t in constants]
    features = "".join([*(t[len(points) :] for t, _ in moving), output[len(points) :], *constants])
    if points == "...":
        shared = any(width(o) < len(t.replace("...", "")) for t, o in moving)
    else:
        shared = not set(points).isdisjoint(features)
    if fronts or shared or not output.startswith(points):
        raise refuse("einsum", f"{equation!r}, which does not keep the points in front,")
    return points


def anonymous(term: str, points: str, has_points: bool) -> str:
    """A term with `...` for the letters of the points, where it has any."""
    return "..." + term[len(points) :] if has_points else term


def bilinear_form(x: Any, y: Any, weight: Tensor, bias: Tensor | None = None) -> Series:
    """xᵀ Wₖ y + bₖ."""
    form = einsum("...i,kij,...j->...k", x, weight, y)
    return form if bias is None else add(form, bias)


PRODUCTS: dict[Callable, Callable] = {
    **named(matmul, dot, inner, einsum, mm=matmul, bmm=batched, bilinear=bilinear_form),
    **named(addmm=added(matmul, "addmm"), baddbmm=added(batched, "baddbmm")),
    torch.Tensor.__matmul__: matmul,
    torch.Tensor.__rmatmul__: reflected(matmul),
}
