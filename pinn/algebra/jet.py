"""The jet: f at points with its derivatives, flowing through ordinary torch code.

    f(x + δ) = f + Σᵢ fᵢ δᵢ + ½ Σᵢⱼ fᵢⱼ δᵢ δⱼ + o(|δ|²)

A jet is a plain object with `__torch_function__`: `nn.Linear` calls `F.linear(jet, W, b)`, and the
rule of that torch function acts on the series. A function without a rule raises `NoRuleError`,
which names it; whoever evaluates then falls back to a slower exact strategy.
"""

from functools import partial
from typing import Any, Self

import torch

from pinn.algebra.indexing import keeps_points
from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rules import RULES
from pinn.algebra.rules.arithmetic import add, divide, multiply, raise_to, subtract
from pinn.algebra.rules.kinks import absolute
from pinn.algebra.rules.products import matmul
from pinn.algebra.rules.shape import matrix_transpose
from pinn.algebra.series import MissingDerivativeError, Series

__all__ = ["Jet", "MissingDerivativeError", "NoRuleError"]

# What is read off the value.
LOOKS = (
    "shape", "ndim", "dtype", "device", "layout", "dim", "size", "numel", "nelement",
    "requires_grad", "is_nested", "is_cuda", "is_sparse", "is_floating_point", "is_complex",
    "is_contiguous", "element_size", "get_device",
)  # fmt: skip


class Jet(Series):
    """A series that looks like a tensor where modules look; see `Series` for its parts."""

    __slots__ = ()

    @property
    def rank(self) -> int:
        """No mere constant."""
        return 0

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        rule = RULES.get(func)
        if rule is None:
            name = torch.overrides.resolve_name(func) or getattr(func, "__name__", str(func))
            raise NoRuleError(f"{name} has no derivative rule")
        return rule(*args, **(kwargs or {}))

    def __getitem__(self, index: Any) -> Self:
        if not keeps_points(index, self.ndim, self.lead):
            raise NoRuleError(f"indexing the points with {index!r} has no derivative rule")
        return self.map(lambda s: s[(slice(None),) * (s.ndim - self.ndim) + as_tuple(index)])

    def __neg__(self) -> Self:
        return self.map(torch.neg)

    def __getattr__(self, name: str) -> Any:
        """What modules look at before they compute, and methods: `x.sin()` is `torch.sin(x)`."""
        if name in LOOKS:
            return getattr(self.value, name)
        if name == "mT":
            return matrix_transpose(self)
        for home in (torch.Tensor, torch):
            function = getattr(home, name, None)
            if callable(function) and (rule := RULES.get(function)) is not None:
                return partial(rule, self)
        raise AttributeError(f"Tensor.{name} has no derivative rule")

    def __len__(self) -> int:
        return len(self.value)

    def __matmul__(self, other: Any) -> Self:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return matmul(other, self)

    def __abs__(self) -> Any:
        return absolute(self)

    def __pos__(self) -> Self:
        return self

    def __add__(self, other: Any) -> Self:
        return add(self, other)

    def __sub__(self, other: Any) -> Self:
        return subtract(self, other)

    def __rsub__(self, other: Any) -> Self:
        return subtract(other, self)

    def __mul__(self, other: Any) -> Self:
        return multiply(self, other)

    def __truediv__(self, other: Any) -> Self:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return divide(other, self)

    def __pow__(self, exponent: Any) -> Self:
        return raise_to(self, exponent)

    def __rpow__(self, base: Any) -> Self:
        return raise_to(base, self)

    def _refuse(self, *_: Any) -> Any:
        raise NoRuleError("comparison, truth and in-place arithmetic have no derivative rule")

    __radd__, __rmul__ = __add__, __mul__
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __imatmul__ = _refuse
    __setitem__ = _refuse
    # Python's own answers would be wrong numbers: False for `x == 0`, True for `bool(x)`.
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = _refuse
    __hash__ = object.__hash__
    __array_ufunc__: Any = None  # `array * jet` is left to the jet


def as_tuple(index: Any) -> tuple:
    """What stands between the brackets, as a tuple."""
    return index if isinstance(index, tuple) else (index,)
